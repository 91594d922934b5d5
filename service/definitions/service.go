package definitions

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// Store keeps definitions and their versions.
type Store interface {
	// ApplyDefinitions writes what changed as new versions, all or nothing, with the audit record; prune deletes what
	// is not among docs; dryRun only says what would happen, with diffs.
	ApplyDefinitions(ctx context.Context, who access.Principal, docs []manifest.Record, prune, dryRun bool) ([]manifest.Outcome, error)
	// Definitions returns the current version of everything that is not deleted.
	Definitions(ctx context.Context) ([]manifest.Record, error)
}

// Service validates, applies and exports definitions and holds the applied Catalog.
type Service struct {
	store   Store
	runbook func(name string) bool
	ask     slo.Asker                                                    // nil asks nobody
	without func(ctx context.Context, emails []string) ([]string, error) // those that no account has; nil asks nobody
	current atomic.Pointer[Catalog]
}

// New returns a Service with an empty catalog; call Refresh to read the applied one.
func New(store Store, runbook func(name string) bool) *Service {
	s := &Service{store: store, runbook: runbook}
	s.current.Store(newCatalog())
	return s
}

// Ask makes the service ask a metrics engine about definitions before they are applied.
func (s *Service) Ask(engine slo.Asker) { s.ask = engine }

// Catalog returns the definitions in force. It is never nil and never changes; ask again for newer ones.
func (s *Service) Catalog() *Catalog { return s.current.Load() }

// Refresh reads the applied definitions. On an error the catalog stays as it was.
func (s *Service) Refresh(ctx context.Context) error {
	stored, err := s.store.Definitions(ctx)
	if err != nil {
		return fmt.Errorf("read definitions: %w", err)
	}
	set, problems := Load(nil, stored, s.runbook)
	if err := problems.Err(); err != nil {
		return fmt.Errorf("applied definitions: %w", err)
	}
	s.current.Store(set.Catalog)
	return nil
}

// Validate returns every problem the files have, taken together with what is applied.
func (s *Service) Validate(ctx context.Context, files []manifest.File) (manifest.Problems, error) {
	_, problems, err := s.load(ctx, files, false)
	return problems, err
}

// Diff says what applying the files would do.
func (s *Service) Diff(ctx context.Context, who access.Principal, files []manifest.File, prune bool) ([]manifest.Outcome, error) {
	return s.apply(ctx, who, files, prune, true)
}

// Apply makes the files' definitions the ones in force: all of them, or none and every problem at once.
func (s *Service) Apply(ctx context.Context, who access.Principal, files []manifest.File, prune bool) ([]manifest.Outcome, error) {
	outcomes, err := s.apply(ctx, who, files, prune, false)
	if err != nil {
		return nil, err
	}
	return outcomes, s.Refresh(ctx)
}

func (s *Service) apply(ctx context.Context, who access.Principal, files []manifest.File, prune, dryRun bool) ([]manifest.Outcome, error) {
	if err := who.Require(access.Editor); err != nil {
		return nil, err
	}
	set, problems, err := s.load(ctx, files, prune)
	if err != nil {
		return nil, err
	}
	if err := append(problems, set.Notes.Blocking()...).Err(); err != nil {
		return nil, err
	}
	if err := s.contradicted(ctx, set).Err(); err != nil {
		return nil, err
	}
	outcomes, err := s.store.ApplyDefinitions(ctx, who, set.Records, prune, dryRun)
	return s.noted(ctx, set.Catalog, outcomes), err
}

func (s *Service) load(ctx context.Context, files []manifest.File, prune bool) (Set, manifest.Problems, error) {
	var stored []manifest.Record
	if !prune { // with prune nothing but the files will be left for a reference to lead to
		var err error
		if stored, err = s.store.Definitions(ctx); err != nil {
			return Set{}, nil, fmt.Errorf("read definitions: %w", err)
		}
	}
	set, problems := Load(files, stored, s.runbook)
	return set, problems, nil
}

// Export returns every applied definition as a file named after its kind and name, ready to be applied elsewhere.
func (s *Service) Export(ctx context.Context) ([]manifest.File, error) {
	stored, err := s.store.Definitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	files := make([]manifest.File, 0, len(stored))
	for _, r := range stored {
		files = append(files, manifest.File{Name: strings.ToLower(r.Kind) + "-" + r.Name + ".yaml", Text: r.Text})
	}
	return files, nil
}
