package postgres_test

import (
	"context"
	"testing"
)

// TestATokenCountsForOneContent is about calls whose signature covers a token alone: the sender may try again, a stranger
// who has seen the call cannot tell anything else with it.
func TestATokenCountsForOneContent(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	for _, c := range []struct {
		integration, token, digest string
		want                       bool
	}{
		{"mail", "t1", "down", true}, {"mail", "t1", "down", true}, {"mail", "t1", "resolved", false}, {"mail", "t1", "down", true},
		{"mail", "t2", "resolved", true}, {"other", "t1", "resolved", true},
	} {
		if got := must(db.TellOnce(ctx, c.integration, c.token, c.digest))(t); got != c.want {
			t.Errorf("%+v counts: %t", c, got)
		}
	}
	do(t, conn, "update hook_calls set at = at - interval '25 hours' where token = 't1'")
	if err := db.ForgetCalls(ctx); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, conn, "select count(*)::int from hook_calls"); n != 1 {
		t.Errorf("%d calls are remembered; want the young one", n)
	}
}
