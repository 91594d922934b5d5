package inbound

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/slo"
)

// flagHook is an entry of LaunchDarkly's audit log, which its webhooks send.
type flagHook struct {
	ID       text    `json:"_id"`
	Date     instant `json:"date"`
	Kind     text    `json:"kind"`
	Name     text    `json:"name"`
	Verb     text    `json:"titleVerb"`
	Text     text    `json:"description"`
	Comment  text    `json:"comment"`
	Accesses []struct {
		Resource text `json:"resource"`
	} `json:"accesses"`
	Member struct {
		Email text `json:"email"`
	} `json:"member"`
	Token struct {
		Name text `json:"name"`
	} `json:"token"`
}

// flagResource is how LaunchDarkly names a flag: proj/shop:env/production;tags:flag/checkout.
var flagResource = regexp.MustCompile(`^proj/([^:;]+)[^:]*:env/([^:;]+)[^:]*(?::[^:/]+)*?:flag/([^:;]+)`)

// readLaunchDarkly takes changes of flags; the project stands for the service where the integration names none.
func readLaunchDarkly(src Source, r hook.Request) (Received, error) {
	var h flagHook
	if err := readJSON(r.Body, &h); err != nil {
		return Received{}, err
	}
	if h.Kind != "flag" {
		return Received{Answer: accepted("ignored: only flags are read")}, nil
	}
	project, environment, flag := "", "", string(h.Name)
	for _, access := range h.Accesses {
		if found := flagResource.FindStringSubmatch(string(access.Resource)); found != nil {
			project, environment, flag = found[1], found[2], found[3]
			break
		}
	}
	if environment == "*" {
		environment = ""
	}
	if h.ID == "" || flag == "" {
		return refuse("name: is missing, or _id; send LaunchDarkly's webhook as it is")
	}
	return src.changed(Change{
		Key: "flag/" + string(h.ID), Service: cmp.Or(src.Service, project), Environment: environment,
		Ref: flag + "@" + string(h.ID), Kind: "flag",
		Author:      string(cmp.Or(h.Member.Email, h.Token.Name)),
		Description: strings.TrimSpace(flag + ": " + string(cmp.Or(h.Comment, h.Text, h.Verb))),
		At:          h.Date.Time, Outcome: slo.OutcomeSucceeded,
	}, r.At)
}
