package service

import (
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/ntfy"
	"github.com/nines-sre/nines/incidents/notify/opsgenie"
	"github.com/nines-sre/nines/incidents/notify/pushover"
	"github.com/nines-sre/nines/incidents/notify/twilio"
	"github.com/nines-sre/nines/service/definitions"
)

// phones are the providers that reach people on their telephones. Secrets in relative files lie below the folder; hookURL
// says where a type of integration takes what people answer.
func phones(secrets string, hookURL func(kind string) func() string) map[string]incidents.Notifier {
	telephone, emergency := twilio.New(secrets), pushover.New(secrets)
	telephone.Hook, emergency.Hook = hookURL(definitions.ReplyTwilio), hookURL(definitions.ReplyPushover)
	return map[string]incidents.Notifier{
		"sms": telephone, "voice": telephone, "ntfy": ntfy.New(secrets), "pushover": emergency, "opsgenie": opsgenie.New(secrets),
	}
}
