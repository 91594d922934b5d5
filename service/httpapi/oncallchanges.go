package httpapi

import (
	"context"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

type overrideShown struct {
	ID       string    `json:"id"`
	Schedule string    `json:"schedule"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Add      string    `json:"add,omitempty"`
	Remove   string    `json:"remove,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by"`
	MadeAt   time.Time `json:"madeAt"`
	Swap     string    `json:"swap,omitempty" doc:"The swap that it comes from."`
}

func shownOverride(v oncall.Override) overrideShown {
	return overrideShown{v.ID, v.Schedule, v.From, v.To, v.Add, v.Remove, v.Reason, v.By, v.MadeAt, v.Swap}
}

type temporaryShown struct {
	ID       string         `json:"id"`
	Schedule string         `json:"schedule"`
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Shifts   []oncall.Shift `json:"shifts"`
	By       string         `json:"by"`
	MadeAt   time.Time      `json:"madeAt"`
}

func shownTemporary(v oncall.Temporary) temporaryShown {
	return temporaryShown{v.ID, v.Schedule, v.From, v.To, list(v.Shifts), v.By, v.MadeAt}
}

type newOverrideInput struct {
	Name string `path:"name" maxLength:"200" example:"shop"`
	Body struct {
		From   time.Time `json:"from,omitempty" doc:"RFC 3339; now unless set."`
		To     time.Time `json:"to" doc:"RFC 3339; exclusive."`
		Add    string    `json:"add,omitempty" maxLength:"200" doc:"Who is on call." example:"bea@nines.example"`
		Remove string    `json:"remove,omitempty" maxLength:"200" doc:"Who is not: add stands in for them alone. None replaces everybody; the same as add replaces nobody."`
		Reason string    `json:"reason,omitempty" maxLength:"1000"`
		Over   []string  `json:"over,omitempty" maxItems:"100" doc:"Overrides that you know of and that this one may stand above."`
	}
}

type shiftWish struct {
	Person string    `json:"person" maxLength:"200" example:"bea@nines.example"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

type newTemporaryInput struct {
	Name string `path:"name" maxLength:"200" example:"shop"`
	Body struct {
		From   time.Time   `json:"from"`
		To     time.Time   `json:"to"`
		Shifts []shiftWish `json:"shifts" maxItems:"5000" doc:"Within the span; where there is none, nobody is on call."`
	}
}

type newSwapInput struct {
	Name string `path:"name" maxLength:"200" example:"shop"`
	Body struct {
		Asker  string       `json:"asker,omitempty" maxLength:"200" doc:"Whose shift is given; whoever asks unless set."`
		Taker  string       `json:"taker,omitempty" maxLength:"200" doc:"Who is asked; none asks everybody."`
		Give   oncall.Span  `json:"give"`
		Take   *oncall.Span `json:"take,omitempty" doc:"What the taker gives in return."`
		Reason string       `json:"reason,omitempty" maxLength:"1000"`
	}
}

type importInput struct {
	Name string `path:"name" maxLength:"200" example:"shop"`
	Body struct {
		From     time.Time `json:"from" doc:"Of the span to replace."`
		To       time.Time `json:"to"`
		Calendar string    `json:"calendar" maxLength:"4194304" doc:"An iCalendar (RFC 5545); the person of each event is from ATTENDEE, or an address in its SUMMARY."`
		Preview  bool      `json:"preview,omitempty" doc:"Change nothing and show what would be."`
	}
}

type imported struct {
	Preview   bool           `json:"preview"`
	Shifts    []oncall.Shift `json:"shifts"`
	Gaps      []oncall.Span  `json:"gaps" doc:"When nobody would be on call."`
	Temporary string         `json:"temporary,omitempty" doc:"Id of the temporary schedule that was made."`
}

type onCallIDInput struct {
	ID string `path:"id" maxLength:"64" doc:"A UUID."`
}

type swapsInput struct {
	Schedule string `query:"schedule" maxLength:"200"`
	Open     bool   `query:"open" doc:"Only those that can still be answered."`
}

type swapList struct {
	Swaps []oncall.Swap `json:"swaps" doc:"The newest first."`
}

func (a *API) mountOnCallChanges() {
	const tag = "On-call"
	o := func(id, method, path string, role access.Role, summary string) operation {
		return operation{id: id, method: method, path: path, tag: tag, role: role, audience: operatorOnly, summary: summary}
	}
	override := o("override-schedule", post, "/schedules/{name}/overrides", access.Responder, "Put somebody on or off call for a while")
	override.about = "Of two people who override at once, one wins and the other is told, with 409, what stands there."
	override.status = created
	register(a, override, a.override)
	register(a, o("end-override", post, "/overrides/{id}/end", access.Responder, "Take an override away; one that lasts ends now"), a.endOverride)
	temporary := o("make-temporary-schedule", post, "/schedules/{name}/temporaries", access.Editor, "Replace the plan for a while")
	temporary.status = created
	register(a, temporary, a.temporary)
	register(a, o("end-temporary-schedule", post, "/temporaries/{id}/end", access.Editor, "Take a temporary schedule away; one that lasts ends now"), a.endTemporary)
	register(a, o("import-calendar", post, "/schedules/{name}/import", access.Editor, "Replace the plan for a while by an iCalendar's shifts, or preview that"), a.importCalendar)
	register(a, o("list-swaps", get, "/swaps", access.Viewer, "List proposals to swap"), a.swaps)
	propose := o("propose-swap", post, "/schedules/{name}/swaps", access.Responder, "Ask somebody to take over")
	propose.status = created
	register(a, propose, a.proposeSwap)
	register(a, o("accept-swap", post, "/swaps/{id}/accept", access.Responder, "Take over"), swapped(a.deps.OnCall.AcceptSwap))
	register(a, o("decline-swap", post, "/swaps/{id}/decline", access.Responder, "Answer no"), swapped(a.deps.OnCall.DeclineSwap))
	register(a, o("cancel-swap", post, "/swaps/{id}/cancel", access.Responder, "Take a proposal back"), swapped(a.deps.OnCall.CancelSwap))
}

func (a *API) override(ctx context.Context, in *newOverrideInput) (*body[overrideShown], error) {
	b := in.Body
	v := oncall.Override{Schedule: in.Name, From: b.From, To: b.To, Add: b.Add, Remove: b.Remove, Reason: b.Reason}
	if v.From.IsZero() {
		v.From = a.deps.Now()
	}
	made, err := a.deps.OnCall.Override(ctx, access.PrincipalOf(ctx), v, b.Over)
	return show(shownOverride(made), err)
}

type ended struct {
	ID string `json:"id"`
}

func (a *API) endOverride(ctx context.Context, in *onCallIDInput) (*body[ended], error) {
	return show(ended{in.ID}, a.deps.OnCall.EndOverride(ctx, access.PrincipalOf(ctx), in.ID))
}

func (a *API) temporary(ctx context.Context, in *newTemporaryInput) (*body[temporaryShown], error) {
	v := oncall.Temporary{Schedule: in.Name, From: in.Body.From, To: in.Body.To}
	for _, s := range in.Body.Shifts {
		v.Shifts = append(v.Shifts, oncall.Shift{Person: s.Person, From: s.From, To: s.To})
	}
	made, err := a.deps.OnCall.Temporary(ctx, access.PrincipalOf(ctx), v)
	return show(shownTemporary(made), err)
}

func (a *API) endTemporary(ctx context.Context, in *onCallIDInput) (*body[ended], error) {
	return show(ended{in.ID}, a.deps.OnCall.EndTemporary(ctx, access.PrincipalOf(ctx), in.ID))
}

func (a *API) importCalendar(ctx context.Context, in *importInput) (*body[imported], error) {
	if _, err := a.scheduleOf(in.Name); err != nil {
		return nil, err
	}
	b := in.Body
	if !b.To.After(b.From) || b.To.Sub(b.From) > longestSpan {
		return nil, fault.New(fault.Invalid, "to: must be after from, by at most 400 days")
	}
	shifts, err := oncall.ReadCalendar(strings.NewReader(b.Calendar), b.From, b.To)
	if err != nil {
		return nil, err
	}
	if len(shifts) == 0 {
		return nil, fault.New(fault.Invalid, "calendar: has no event with a person's address in that span")
	}
	out := imported{Preview: b.Preview, Shifts: shifts, Gaps: list(oncall.GapsOf(shifts, b.From, b.To))}
	if b.Preview {
		return show(out, nil)
	}
	made, err := a.deps.OnCall.Temporary(ctx, access.PrincipalOf(ctx), oncall.Temporary{Schedule: in.Name, From: b.From, To: b.To, Shifts: shifts})
	out.Temporary = made.ID
	return show(out, err)
}

func (a *API) swaps(ctx context.Context, in *swapsInput) (*body[swapList], error) {
	found, err := a.deps.OnCall.Swaps(ctx, access.PrincipalOf(ctx).Scope(), in.Schedule, in.Open)
	return show(swapList{list(found)}, err)
}

func (a *API) proposeSwap(ctx context.Context, in *newSwapInput) (*body[oncall.Swap], error) {
	b := in.Body
	return show(a.deps.OnCall.ProposeSwap(ctx, access.PrincipalOf(ctx), oncall.Swap{
		Schedule: in.Name, Asker: b.Asker, Taker: b.Taker, Give: b.Give, Take: b.Take, Reason: b.Reason,
	}))
}

// swapped answers a swap by what decide makes of it.
func swapped(decide func(context.Context, access.Principal, string) (oncall.Swap, error)) func(context.Context, *onCallIDInput) (*body[oncall.Swap], error) {
	return func(ctx context.Context, in *onCallIDInput) (*body[oncall.Swap], error) {
		return show(decide(ctx, access.PrincipalOf(ctx), in.ID))
	}
}
