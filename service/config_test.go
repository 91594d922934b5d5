package service

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func TestEveryProblemOfAConfigurationIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Check(); err != nil {
		t.Fatal("what runs with nothing set is fine:", err)
	}
	c := DefaultConfig()
	c.DataDir, c.Listen, c.BaseURL, c.DatabaseURL, c.LedgerBucket = "", "9990", "ftp://x", "mysql://x", 7*time.Minute
	c.SMTPURL, c.Retention = "mail.example.com", 0
	err := c.Check()
	if !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	var got []string
	for _, d := range fault.Public(err).Details {
		got = append(got, d.Where)
	}
	want := []string{"base-url", "data", "database-url", "ledger-bucket", "listen", "retention", "smtp-url"}
	if len(got) != len(want) {
		t.Fatalf("named %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("named %v, want %v", got, want)
		}
	}
}

func TestThePublicURLCanBeDialled(t *testing.T) {
	t.Parallel()
	f := func(listen, base, want string) {
		t.Helper()
		if got := (Config{Listen: listen, BaseURL: base}).PublicURL(); got != want {
			t.Errorf("listen %q, base %q: %q, want %q", listen, base, got, want)
		}
	}
	f("127.0.0.1:9990", "", "http://127.0.0.1:9990")
	f(":9990", "", "http://127.0.0.1:9990")
	f("0.0.0.0:80", "", "http://127.0.0.1:80")
	f(":9990", "https://nines.example.com/", "https://nines.example.com")
}
