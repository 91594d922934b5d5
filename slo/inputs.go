package slo

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// Inputs is everything a report is computed from, and nothing else, in a canonical order. Whoever holds them can
// recompute the report and its digest.
type Inputs struct {
	Contract        Contract             `json:"contract"`
	ContractVersion int                  `json:"contractVersion"`
	Month           Month                `json:"month"`
	Zone            string               `json:"zone"`
	From            time.Time            `json:"from"`
	To              time.Time            `json:"to"`
	SLOs            []Versioned          `json:"slos"`        // of the promises, by id
	ClosedUntil     map[string]time.Time `json:"closedUntil"` // of the promises, at most To
	Buckets         []Bucket             `json:"buckets"`     // of the promises in [From, To), sorted, as recorded
	// Corrections are those in force that are about the promises and this tenant in [From, To), sorted; also those that
	// the contract does not let count.
	Corrections []Correction `json:"corrections,omitempty"`
}

func newInputs(c Contract, slos []Versioned, contractVersion int, buckets []Bucket, month Month, closedUntil map[string]time.Time, corrections []Correction) Inputs {
	in := Inputs{Contract: c, ContractVersion: contractVersion, Month: month, ClosedUntil: map[string]time.Time{}}
	loc, _ := location(c.Zone)
	in.Zone = loc.String()
	in.From, in.To = month.Bounds(c.Zone)
	promised := map[string]bool{}
	for _, p := range c.Promises {
		promised[p.SLO] = true
		// What is closed beyond the month says nothing about it, and would change the digest every five minutes.
		in.ClosedUntil[p.SLO] = earlier(closedUntil[p.SLO], in.To).UTC()
	}
	for _, v := range slos {
		if promised[v.SLO.ID] {
			in.SLOs = append(in.SLOs, v)
		}
	}
	slices.SortFunc(in.SLOs, func(a, b Versioned) int { return bytes.Compare([]byte(a.SLO.ID), []byte(b.SLO.ID)) })
	for _, b := range buckets {
		if promised[b.SLO] && !b.Start.Before(in.From) && !b.end().After(in.To) {
			b.Start = b.Start.UTC()
			in.Buckets = append(in.Buckets, b)
		}
	}
	slices.SortFunc(in.Buckets, compareBuckets)
	in.takeCorrections(corrections)
	return in
}

// takeCorrections keeps those that may change the report, without what stands in none.
func (in *Inputs) takeCorrections(corrections []Correction) {
	for _, c := range corrections {
		touches := slices.ContainsFunc(in.SLOs, func(v Versioned) bool { return c.Touches(v.SLO) })
		if !c.InForce() || !touches || !c.TouchesTenant(in.Contract.Tenant) || !c.From.Before(in.To) || !c.To.After(in.From) {
			continue
		}
		c.Note, c.From, c.To, c.Created = "", c.From.UTC(), c.To.UTC(), c.Created.UTC()
		in.Corrections = append(in.Corrections, c)
	}
	slices.SortFunc(in.Corrections, func(a, b Correction) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID)) })
}

func (in Inputs) slo(id string) (s SLO, version int, defined bool) {
	for _, v := range in.SLOs {
		if v.SLO.ID == id {
			return v.SLO, v.Version, true
		}
	}
	return SLO{ID: id}, 0, false
}

// Digest returns "sha256:" and the hex SHA-256 of the inputs' canonical JSON.
func (in Inputs) Digest() string {
	text, _ := canonical(in) // plain values; encoding cannot fail
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ReportInputs returns what NewReport computes from the same arguments, so that it can be handed over with the report.
func ReportInputs(c Contract, slos []Versioned, contractVersion int, buckets []Bucket, month Month, closedUntil map[string]time.Time, corrections ...Correction) Inputs {
	return newInputs(c, slos, contractVersion, buckets, month, closedUntil, corrections)
}

// Canonical returns the report as JSON with a stable order of fields, unescaped, ending with a newline.
func (r Report) Canonical() ([]byte, error) { return canonical(r) }

// canonical relies on encoding/json writing struct fields in order, maps by sorted key and floats in the shortest form.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
