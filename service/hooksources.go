package service

import (
	"context"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/service/definitions"
)

// readSource refuses every call of a source of alerts or changes for the time being: the sender keeps it and tries again.
func readSource(context.Context, definitions.Integration, []string, hook.Request) (toldAtHook, error) {
	return toldAtHook{}, fault.New(fault.Unavailable, "this integration cannot take calls now; send them again later")
}
