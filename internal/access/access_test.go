package access

import (
	"context"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
)

func TestARoleIncludesTheOnesBelowAndNoOther(t *testing.T) {
	t.Parallel()
	for i, have := range Roles {
		for j, need := range Roles {
			if have.Includes(need) != (i >= j) {
				t.Errorf("%s includes %s: %v", have, need, have.Includes(need))
			}
		}
	}
	if Role("root").Includes(Viewer) || Admin.Includes("root") || Role("").Includes("") {
		t.Error("an unknown role includes nothing")
	}
}

func TestNobodySeesNothing(t *testing.T) {
	t.Parallel()
	nobody := PrincipalOf(context.Background())
	if nobody.Scope().Allows("acme") || nobody.Scope().Allows("") || nobody.Scope().IsOperator() {
		t.Error("the zero principal sees something")
	}
	if !fault.Is(nobody.Require(Viewer), fault.Unauthorized) {
		t.Error("nobody is asked to sign in")
	}
	acme := Principal{ID: "user:1", Role: Viewer, Tenant: "acme"}
	if !acme.Scope().Allows("acme") || acme.Scope().Allows("globex") || acme.Scope().Allows("") {
		t.Error("a tenant's person sees its tenant alone")
	}
	if !fault.Is(acme.Require(Admin), fault.Forbidden) || acme.Require(Viewer) != nil {
		t.Error("a viewer may view and not administrate")
	}
}
