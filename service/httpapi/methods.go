package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Reach keeps how people choose to be called. An email "" is who asks; others' needs the role admin.
type Reach interface {
	Reachability(ctx context.Context, who access.Principal, email string) (Reachability, error)
	AddMethod(ctx context.Context, who access.Principal, email string, m ContactMethod) (ContactMethod, error)
	SendCode(ctx context.Context, who access.Principal, email, id string) error
	VerifyMethod(ctx context.Context, who access.Principal, email, id, code string) error
	RemoveMethod(ctx context.Context, who access.Principal, email, id string) error
	SetRules(ctx context.Context, who access.Principal, email string, rules []incidents.Rule) error
	SetQuiet(ctx context.Context, who access.Principal, email, zone string, quiet []incidents.Quiet) error
}

// ContactMethod is one way to reach a person.
type ContactMethod struct {
	ID         string     `json:"id" readOnly:"true"`
	Name       string     `json:"name" minLength:"1" maxLength:"60" example:"mobile"`
	Way        string     `json:"way" enum:"email,sms,voice,ntfy,slack"`
	Channel    string     `json:"channel,omitempty" maxLength:"200" doc:"The Channel to send from; none where there is only one of the way."`
	Address    string     `json:"address" minLength:"1" maxLength:"254" example:"+4915112345678"`
	VerifiedAt *time.Time `json:"verifiedAt" readOnly:"true" doc:"Null: pending, and not used for paging."`
}

// Reachability is how a person wants to be reached.
type Reachability struct {
	Email   string              `json:"email"`
	Zone    string              `json:"zone"`
	Quiet   []incidents.Quiet   `json:"quiet"`
	Methods []ContactMethod     `json:"methods"`
	Rules   []incidents.Rule    `json:"rules"`
	Offered map[string][]string `json:"offered"`
}

type quietShown struct {
	Days []int  `json:"days,omitempty" doc:"Sunday is 0; none is every day." example:"[1,2,3,4,5]"`
	From string `json:"from" pattern:"^[0-2][0-9]:[0-5][0-9]$" example:"22:00"`
	To   string `json:"to" pattern:"^[0-2][0-9]:[0-5][0-9]$" example:"07:00" doc:"At or before from is on the next day."`
}

type ruleShown struct {
	Urgency      incidents.Urgency `json:"urgency" enum:"high,low"`
	DelaySeconds int               `json:"delaySeconds" minimum:"0" maximum:"86400" doc:"After the person was paged, unless somebody has acknowledged by then."`
	Method       string            `json:"method" format:"uuid"`
}

type reachShown struct {
	Email   string              `json:"email"`
	Zone    string              `json:"zone" doc:"IANA"`
	Quiet   []quietShown        `json:"quiet" doc:"Pages of low urgency wait for their end."`
	Methods []ContactMethod     `json:"methods"`
	Rules   []ruleShown         `json:"rules" doc:"Without any, all verified methods are used at once; without methods it is an e-mail to the account's address."`
	Offered map[string][]string `json:"offered" doc:"The ways that are set up, with their channels."`
}

type personInput struct {
	Person string `query:"person" maxLength:"254" doc:"E-mail of whose ways these are; your own unless given. Others' need the role admin." example:"ada@example.com"`
}

type methodInput struct {
	Person string `query:"person" maxLength:"254"`
	ID     string `path:"id" maxLength:"100"`
}

type addMethodInput struct {
	Person string `query:"person" maxLength:"254"`
	Body   struct {
		Name    string `json:"name" minLength:"1" maxLength:"60" example:"mobile"`
		Way     string `json:"way" enum:"email,sms,voice,ntfy,slack"`
		Channel string `json:"channel,omitempty" maxLength:"200"`
		Address string `json:"address" minLength:"1" maxLength:"254" example:"+4915112345678"`
	}
}

type codeInput struct {
	Person string `query:"person" maxLength:"254"`
	ID     string `path:"id" maxLength:"100"`
	Body   struct {
		Code string `json:"code" minLength:"1" maxLength:"20" example:"123456"`
	}
}

type rulesInput struct {
	Person string `query:"person" maxLength:"254"`
	Body   struct {
		Rules []ruleShown `json:"rules" maxItems:"30"`
	}
}

type quietInput struct {
	Person string `query:"person" maxLength:"254"`
	Body   struct {
		Zone  string       `json:"zone" minLength:"1" maxLength:"60" example:"Europe/Berlin"`
		Quiet []quietShown `json:"quiet" maxItems:"10"`
	}
}

func (a *API) mountMethods() {
	const tag = "People"
	ops := func(id, method, path, summary, about string) operation {
		return operation{id: id, method: method, path: path, tag: tag, role: access.Responder, audience: operatorOnly, summary: summary, about: about}
	}
	register(a, ops("get-reachability", get, "/me/ways", "Read how you are called", "Ways, rules by urgency, quiet hours, and what is set up."), a.reachability)
	register(a, ops("add-method", post, "/me/ways", "Add a way to reach you",
		"A code is sent there; the way counts once it is told. A number belongs to one person."), a.addMethod)
	register(a, ops("send-method-code", post, "/me/ways/{id}/code", "Send another code", ""), a.sendCode)
	register(a, ops("verify-method", post, "/me/ways/{id}/verify", "Tell the code that was sent", "It counts for ten minutes and five tries."), a.verifyMethod)
	register(a, ops("remove-method", http.MethodDelete, "/me/ways/{id}", "Take a way away", "With the rules that use it."), a.removeMethod)
	register(a, ops("set-rules", http.MethodPut, "/me/rules", "Say when which way is used", "Replaces all rules."), a.setRules)
	register(a, ops("set-quiet", http.MethodPut, "/me/quiet", "Say when what is of low urgency waits", "Replaces the zone and all quiet hours."), a.setQuiet)
}

func (a *API) reachability(ctx context.Context, in *personInput) (*body[reachShown], error) {
	return a.shownReach(ctx, in.Person)
}

func (a *API) shownReach(ctx context.Context, person string) (*body[reachShown], error) {
	r, err := a.deps.Reach.Reachability(ctx, access.PrincipalOf(ctx), person)
	out := reachShown{Email: r.Email, Zone: r.Zone, Quiet: []quietShown{}, Methods: list(r.Methods), Rules: []ruleShown{}, Offered: r.Offered}
	for _, q := range r.Quiet {
		shown := quietShown{From: clockText(q.From), To: clockText(q.To)}
		for _, d := range q.Days {
			shown.Days = append(shown.Days, int(d))
		}
		out.Quiet = append(out.Quiet, shown)
	}
	for _, rule := range r.Rules {
		out.Rules = append(out.Rules, ruleShown{rule.Urgency, int(rule.Delay / time.Second), rule.Method})
	}
	return show(out, err)
}

func (a *API) addMethod(ctx context.Context, in *addMethodInput) (*body[ContactMethod], error) {
	b := in.Body
	return show(a.deps.Reach.AddMethod(ctx, access.PrincipalOf(ctx), in.Person, ContactMethod{Name: b.Name, Way: b.Way, Channel: b.Channel, Address: b.Address}))
}

func (a *API) sendCode(ctx context.Context, in *methodInput) (*none, error) {
	return &none{}, a.deps.Reach.SendCode(ctx, access.PrincipalOf(ctx), in.Person, in.ID)
}

func (a *API) verifyMethod(ctx context.Context, in *codeInput) (*body[reachShown], error) {
	if err := a.deps.Reach.VerifyMethod(ctx, access.PrincipalOf(ctx), in.Person, in.ID, in.Body.Code); err != nil {
		return nil, err
	}
	return a.shownReach(ctx, in.Person)
}

func (a *API) removeMethod(ctx context.Context, in *methodInput) (*none, error) {
	return &none{}, a.deps.Reach.RemoveMethod(ctx, access.PrincipalOf(ctx), in.Person, in.ID)
}

func (a *API) setRules(ctx context.Context, in *rulesInput) (*body[reachShown], error) {
	rules := make([]incidents.Rule, 0, len(in.Body.Rules))
	for _, r := range in.Body.Rules {
		rules = append(rules, incidents.Rule{Urgency: r.Urgency, Delay: time.Duration(r.DelaySeconds) * time.Second, Method: r.Method})
	}
	if err := a.deps.Reach.SetRules(ctx, access.PrincipalOf(ctx), in.Person, rules); err != nil {
		return nil, err
	}
	return a.shownReach(ctx, in.Person)
}

func (a *API) setQuiet(ctx context.Context, in *quietInput) (*body[reachShown], error) {
	quiet := make([]incidents.Quiet, 0, len(in.Body.Quiet))
	for n, q := range in.Body.Quiet {
		from, err := readClock(q.From)
		to, also := readClock(q.To)
		if err != nil || also != nil {
			return nil, fault.New(fault.Invalid, "quiet.%d: from and to are times of day such as 22:00", n)
		}
		hours := incidents.Quiet{From: from, To: to}
		for _, d := range q.Days {
			hours.Days = append(hours.Days, time.Weekday(d))
		}
		quiet = append(quiet, hours)
	}
	if err := a.deps.Reach.SetQuiet(ctx, access.PrincipalOf(ctx), in.Person, in.Body.Zone, quiet); err != nil {
		return nil, err
	}
	return a.shownReach(ctx, in.Person)
}

func clockText(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d/time.Hour), int(d/time.Minute)%60)
}

func readClock(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", text)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}
