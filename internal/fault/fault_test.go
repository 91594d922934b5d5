package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestInternalNeverShowsItsCause(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("password=hunter2"),
		Wrap(Internal, errors.New("password=hunter2"), "connect with password=hunter2"),
		fmt.Errorf("outer: %w", Wrap(Internal, nil, "password=hunter2")),
	} {
		if got := Public(err); strings.Contains(got.Error(), "hunter2") || got.Kind != Internal {
			t.Errorf("a client would see %q", got.Error())
		}
	}
}

func TestTheOutermostFaultDecides(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("apply: %w", Wrap(Conflict, New(NotFound, "no row"), "it changed meanwhile"))
	if KindOf(err) != Conflict || !Is(err, Conflict) || Is(nil, Internal) {
		t.Errorf("kind of %v is %v", err, KindOf(err))
	}
	if public := Public(err); public.Cause != nil || public.Message != "it changed meanwhile" {
		t.Errorf("public is %+v", public)
	}
}
