package intelligence

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

func TestThePostmortemHasItsNumbers(t *testing.T) {
	t.Parallel()
	w, i := outage()
	w.open = []incidents.Incident{i}
	w.events = []incidents.Event{{At: ago(20 * time.Minute), Kind: incidents.EventOpened, Text: "Opened by the fast burn alert."}}
	s := w.service()
	text := must[string](t)(s.Postmortem(bg, operator, "41"))
	for _, want := range []string{"#41", "1001", "Opened by the fast burn alert.", "acme"} {
		if !strings.Contains(strings.ReplaceAll(text, ",", ""), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "globex") {
		t.Error("another tenant is in it")
	}
	w.ledgerErr = fault.New(fault.Unavailable, "away")
	if text := must[string](t)(s.Postmortem(bg, operator, "i-1")); !strings.Contains(text, "could not be read") {
		t.Errorf("a draft without the ledger does not say so:\n%s", text)
	}
	w.ledgerErr = nil
	w.open[0].Tenant = "globex"
	for _, id := range []string{"i-1", "nope"} {
		if _, err := s.Postmortem(bg, acme, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestTheReportIsTheSameWhoeverAsks(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.fill(shop, "acme", "us", ago(3*time.Hour), ago(2*time.Hour), 20, 1000)
	w.contracts["acme"] = slo.Contract{Tenant: "acme", Promises: []slo.Promise{
		{SLO: shop.SLO.ID, Objective: 99.5}, {SLO: shop.SLO.ID, Objective: 99.9, Credits: []slo.CreditTier{{Below: 99.95, Credit: 10}}}}}
	w.contracts["globex"] = slo.Contract{Tenant: "globex", Promises: []slo.Promise{{SLO: shop.SLO.ID, Objective: 99.5}}}
	s, month := w.service(), slo.Month{Year: 2026, Month: time.November}
	byOperator := must[slo.Report](t)(s.SLAReport(bg, operator, "acme", month))
	byTenant := must[slo.Report](t)(s.SLAReport(bg, acme, "acme", month))
	one, _ := byOperator.Canonical()
	two, _ := byTenant.Canonical()
	if string(one) != string(two) {
		t.Errorf("the operator reads\n%s\nand acme\n%s", one, two)
	}
	if strings.Contains(string(two), "globex") {
		t.Errorf("another tenant is in it: %s", two)
	}
	p := byTenant.Promises[1]
	if want := (slo.Counts{Good: 299*1000 - 12*20, Total: 299 * 1000}); p.Counts != want || byTenant.ContractVersion != 7 || !byTenant.Provisional {
		t.Errorf("counts %+v, want %+v; %+v", p.Counts, want, byTenant)
	}
	for _, tenant := range []string{"globex", "nobody", ""} {
		if _, err := s.SLAReport(bg, acme, tenant, month); !fault.Is(err, fault.NotFound) {
			t.Errorf("acme asks for %q: %v", tenant, err)
		}
	}
	if _, err := s.SLAReport(bg, operator, "nobody", month); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown tenant: %v", err)
	}
}
