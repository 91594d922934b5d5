package slo

// Loss is what a format does not carry of an SLO that is written in it.
type Loss struct {
	SLO     string `json:"slo"`
	Field   string `json:"field"`   // by its name in a nines/v1 document
	Message string `json:"message"` // what becomes of it
	// Equivalent tells that nothing is lost but the way it was said: it stands there in other words that count the same.
	Equivalent bool `json:"equivalent,omitempty"`
}

// losses collects those of one SLO.
type losses struct {
	id  string
	all []Loss
}

func (l *losses) lost(when bool, field, message string) {
	if when {
		l.all = append(l.all, Loss{SLO: l.id, Field: field, Message: message})
	}
}

func (l *losses) otherwise(when bool, field, message string) {
	if when {
		l.all = append(l.all, Loss{SLO: l.id, Field: field, Message: message, Equivalent: true})
	}
}
