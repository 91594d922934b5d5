package slo

// Contract is what one tenant was promised: the SLA behind its report.
type Contract struct {
	Tenant   string    `json:"tenant"` // metadata.name of the Tenant document
	Name     string    `json:"name"`   // for people
	Tier     string    `json:"tier"`   // such as "gold"; stands on our own request metrics
	Zone     string    `json:"zone"`   // IANA zone of the calendar month; UTC unless set
	Region   string    `json:"region"` // home region
	Promises []Promise `json:"promises"`
	// Exclusions says which corrections count towards the SLA; nil is all of them.
	Exclusions *Exclusions `json:"exclusions,omitempty"`
}

// Exclusions bounds what may be left out of an SLA's figure, or counted as good in it.
type Exclusions struct {
	Maintenance      bool    `json:"maintenance"`      // maintenance counts; true unless set
	Corrections      bool    `json:"corrections"`      // corrections of wrong measurements count; true unless set
	Announced        bool    `json:"announced"`        // only maintenance that was entered before it began counts
	MaxHoursPerMonth float64 `json:"maxHoursPerMonth"` // of maintenance, a promise; 0 is no bound
}

// Promise is one line of a contract. Its objective is the SLA's, usually below the SLO's.
type Promise struct {
	SLO       string       `json:"slo"` // SLO id
	Objective Objective    `json:"objective"`
	Credits   []CreditTier `json:"credits"`
}

// CreditTier grants a credit below a measured figure: Below 99.9 gives Credit 10 (per cent of the fee).
// Exactly at Below nothing is granted. The lowest tier that applies wins.
type CreditTier struct {
	Below  float64 `json:"below" yaml:"below"`
	Credit float64 `json:"credit" yaml:"credit"`
}
