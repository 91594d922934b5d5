package service

import (
	"testing"

	"github.com/nines-sre/nines/incidents"
)

func TestEveryTelephonesTargetHasItsProvider(t *testing.T) {
	t.Parallel()
	set := phones("", func(string) func() string { return nil })
	for _, target := range []incidents.Target{
		{SMS: &incidents.TwilioTarget{}}, {Voice: &incidents.TwilioTarget{}}, {Ntfy: &incidents.NtfyTarget{}},
		{Pushover: &incidents.PushoverTarget{}}, {Opsgenie: &incidents.OpsgenieTarget{}},
	} {
		if set[target.Provider()] == nil {
			t.Errorf("nothing sends by %s", target.Provider())
		}
	}
}
