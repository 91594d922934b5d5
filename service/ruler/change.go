package ruler

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

// What becomes of a group.
const (
	Create = "create"
	Update = "update"
	Delete = "delete"
)

const atOnce = 4 // requests under way

// Change is what it takes to make one group of the namespace what is wanted.
type Change struct {
	Group  string `json:"group"`
	Action string `json:"action"` // Create, Update or Delete
	wanted group
}

// Plan compares the namespace with what is wanted and returns the changes: groups to push in the order given, then those
// to delete by name. Nothing is changed.
func (c *Client) Plan(ctx context.Context, wanted []slo.RuleGroup) ([]Change, error) {
	there, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	var changes []Change
	keep := map[string]bool{}
	for _, g := range wanted {
		want := groupOf(g)
		has, exists := there[g.Name]
		keep[g.Name] = true
		switch {
		case !exists:
			changes = append(changes, Change{g.Name, Create, want})
		case !want.same(has):
			changes = append(changes, Change{g.Name, Update, want})
		}
	}
	var gone []string
	for name := range there {
		if !keep[name] {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	for _, name := range gone {
		changes = append(changes, Change{Group: name, Action: Delete})
	}
	return changes, nil
}

// list returns the namespace's groups by name.
func (c *Client) list(ctx context.Context) (map[string]group, error) {
	text, err := c.do(ctx, http.MethodGet, c.namespace(), nil)
	if fault.Is(err, fault.NotFound) {
		return nil, nil // no namespace, no groups; a URL that is wrong shows when the first group is pushed
	}
	if err != nil {
		return nil, err
	}
	all, err := decodeGroups(text)
	if err != nil {
		return nil, err
	}
	out := map[string]group{}
	for _, g := range all[c.options.Namespace] {
		out[g.Name] = g
	}
	return out, nil
}

// Apply makes the changes, pushes before deletions, so that rules which moved to another group are never away. progress,
// which may be nil, is told after each. A group that the ruler refuses stops no other; the error then has a detail for
// each, and groups to delete stay. Trouble with the ruler itself ends it.
func (c *Client) Apply(ctx context.Context, changes []Change, progress func(done, total int)) error {
	w := &work{client: c, total: len(changes), progress: progress}
	push := slices.DeleteFunc(slices.Clone(changes), func(ch Change) bool { return ch.Action == Delete })
	if err := w.all(ctx, push); err != nil {
		return err
	}
	return w.all(ctx, slices.DeleteFunc(slices.Clone(changes), func(ch Change) bool { return ch.Action != Delete }))
}

// work is one Apply under way.
type work struct {
	client      *Client
	mu          sync.Mutex
	done, total int
	progress    func(done, total int)
	refused     []fault.Detail
}

// all makes the changes, some at once, and returns what keeps the rest from being made.
func (w *work) all(ctx context.Context, changes []Change) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, change := range changes {
		g.Go(func() error {
			if inner.Err() != nil {
				return inner.Err()
			}
			return w.one(inner, change)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(w.refused) == 0 {
		return nil
	}
	slices.SortFunc(w.refused, func(a, b fault.Detail) int { return strings.Compare(a.Where, b.Where) })
	return &fault.Error{Kind: fault.Invalid, Message: "the ruler refuses to change rule groups; those listed are as they were", Details: w.refused}
}

func (w *work) one(ctx context.Context, change Change) error {
	err := w.client.apply(ctx, change)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	if w.progress != nil {
		w.progress(w.done, w.total)
	}
	var f *fault.Error
	if fault.Is(err, fault.Invalid) && errors.As(err, &f) {
		w.refused = append(w.refused, fault.Detail{Where: change.Group, Message: f.Message})
		return nil
	}
	if errors.As(err, &f) {
		return &fault.Error{Kind: f.Kind, Message: change.Action + " of rule group " + change.Group + ": " + f.Message}
	}
	return err
}

func (c *Client) apply(ctx context.Context, change Change) error {
	address, err := c.address(change.Group)
	if err != nil {
		return err
	}
	if change.Action == Delete {
		_, err := c.do(ctx, http.MethodDelete, address, nil)
		if fault.Is(err, fault.NotFound) {
			return nil // gone already
		}
		return err
	}
	body, err := change.wanted.encode()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, c.namespace(), body)
	return err
}
