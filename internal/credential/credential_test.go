package credential

import (
	"strings"
	"testing"
)

func TestOnlyThePasswordItselfVerifies(t *testing.T) {
	t.Parallel()
	hash := HashPassword("correct horse")
	if !VerifyPassword(hash, "correct horse") || VerifyPassword(hash, "correct horsf") || VerifyPassword(hash, "") {
		t.Error("a password verifies itself and nothing else")
	}
	if HashPassword("correct horse") == hash {
		t.Error("two hashes of one password share a salt")
	}
}

func TestAMalformedHashVerifiesNothing(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{"", "x", "$argon2id$v=19$m=1,t=1,p=1$$", "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=64,t=0,p=0$AAAA$AAAA", "$argon2id$v=19$m=a$AAAA$AAAA", "$bcrypt$a$b$c$d"} {
		if VerifyPassword(hash, "") {
			t.Errorf("%q verified", hash)
		}
	}
}

func TestTokensAreLongDistinctAndHashed(t *testing.T) {
	t.Parallel()
	a, hash := NewToken("nines_")
	b, _ := NewToken("nines_")
	if a == b || !strings.HasPrefix(a, "nines_") || len(a) < 48 || hash != HashToken(a) || strings.Contains(hash, a) {
		t.Errorf("tokens %q %q hash %q", a, b, hash)
	}
	if p := NewPassword(); len(p) != 29 || strings.Count(p, "-") != 5 {
		t.Errorf("a password looks like %q", p)
	}
}
