package service

import (
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/ntfy"
	"github.com/nines-sre/nines/incidents/notify/opsgenie"
	"github.com/nines-sre/nines/incidents/notify/pushover"
	"github.com/nines-sre/nines/incidents/notify/twilio"
)

// phones are the providers that reach people on their telephones. Secrets in relative files lie below the folder.
func phones(secrets string) map[string]incidents.Notifier {
	telephone := twilio.New(secrets)
	return map[string]incidents.Notifier{
		"sms": telephone, "voice": telephone, "ntfy": ntfy.New(secrets), "pushover": pushover.New(secrets),
		"opsgenie": opsgenie.New(secrets),
	}
}
