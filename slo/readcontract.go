package slo

import (
	"strconv"

	"github.com/nines-sre/nines/internal/manifest"
	"gopkg.in/yaml.v3"
)

// contractSpec is the spec of a nines/v1 Tenant as written.
type contractSpec struct {
	Name       string          `yaml:"name"`
	Tier       string          `yaml:"tier"`
	Zone       string          `yaml:"zone"`
	Region     string          `yaml:"region"`
	Promises   []promiseSpec   `yaml:"promises"`
	Exclusions *exclusionsSpec `yaml:"exclusions"`
}

type exclusionsSpec struct {
	Maintenance *bool    `yaml:"maintenance"`
	Corrections *bool    `yaml:"corrections"`
	Announced   bool     `yaml:"announced"`
	MaxHours    *float64 `yaml:"maxHoursPerMonth"`
}

type promiseSpec struct {
	SLO       string       `yaml:"slo"`
	Objective yaml.Node    `yaml:"objective"`
	Credits   []CreditTier `yaml:"credits"`
}

// ReadContract reads a nines/v1 document of kind Tenant. Every problem is told at once, with its line. Whether the
// promised SLOs exist is for the caller, who knows them all.
func ReadContract(d manifest.Document) (Contract, manifest.Problems) {
	c := &checker{doc: d}
	if !c.expect(KindContract) {
		return Contract{}, c.problems
	}
	var spec contractSpec
	c.problems = append(c.problems, d.DecodeSpec(&spec)...)
	out := Contract{Tenant: d.Metadata.Name, Name: spec.Name, Tier: spec.Tier, Zone: spec.Zone, Region: spec.Region, Promises: []Promise{}}
	if out.Name == "" {
		out.Name = out.Tenant
	}
	if out.Zone == "" {
		out.Zone = "UTC"
	}
	c.zone("spec.zone", out.Zone)
	first := map[string]int{}
	for i, p := range spec.Promises {
		path := "spec.promises." + strconv.Itoa(i)
		if p.SLO == "" {
			c.refuse(path+".slo", "is missing; write the SLO's id, <service>-<name>")
		} else if at, again := first[p.SLO]; again {
			c.refuse(path+".slo", "%q is already promised at promises.%d; keep one", clip(p.SLO), at)
		} else {
			first[p.SLO] = i
		}
		promise := Promise{SLO: p.SLO, Objective: c.objective(path+".objective", &p.Objective), Credits: p.Credits}
		c.credits(path+".credits", promise)
		out.Promises = append(out.Promises, promise)
	}
	out.Exclusions = c.exclusions("spec.exclusions", spec.Exclusions)
	return out, c.problems
}

// exclusions checks which corrections the contract lets count.
func (c *checker) exclusions(path string, e *exclusionsSpec) *Exclusions {
	if e == nil {
		return nil
	}
	out := &Exclusions{Maintenance: e.Maintenance == nil || *e.Maintenance, Corrections: e.Corrections == nil || *e.Corrections, Announced: e.Announced}
	if e.MaxHours != nil {
		out.MaxHoursPerMonth = *e.MaxHours
		if h := *e.MaxHours; !(h > 0 && h <= 31*24) {
			c.refuse(path+".maxHoursPerMonth", "%v is not in (0, 744]; write hours a month, or maintenance: false where none counts", h)
		}
	}
	if !out.Maintenance && (out.Announced || e.MaxHours != nil) {
		c.refuse(path+".maintenance", "is false, so announced and maxHoursPerMonth mean nothing; remove them, or let maintenance count")
	}
	return out
}

// credits checks the ladder: from the highest bound down, each with more credit than the one before.
func (c *checker) credits(path string, p Promise) {
	for i, t := range p.Credits {
		at := path + "." + strconv.Itoa(i)
		switch {
		case !(t.Below > 0 && t.Below < 100):
			c.refuse(at+".below", "%v is not strictly between 0 and 100; write per cent, such as 99.5", t.Below)
		case p.Objective.Valid() && t.Below > float64(p.Objective):
			c.refuse(at+".below", "%v is above the objective %v, so a kept promise would earn a credit; write at most the objective", t.Below, p.Objective)
		case i > 0 && t.Below >= p.Credits[i-1].Below:
			c.refuse(at+".below", "%v is not below the tier before (%v); write the tiers from the highest figure to the lowest", t.Below, p.Credits[i-1].Below)
		}
		switch {
		case !(t.Credit > 0 && t.Credit <= 100):
			c.refuse(at+".credit", "%v is not in (0, 100]; write per cent of the fee", t.Credit)
		case i > 0 && t.Credit <= p.Credits[i-1].Credit:
			c.refuse(at+".credit", "%v is not more than the tier before (%v), though the figure is worse", t.Credit, p.Credits[i-1].Credit)
		}
	}
}
