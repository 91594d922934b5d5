package inbound

import (
	"cmp"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/slo"
)

// argocd is the Application as a notification template of Argo CD can send it.
type argocd struct {
	Metadata struct {
		Name      text `json:"name"`
		Namespace text `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Destination struct {
			Namespace text `json:"namespace"`
		} `json:"destination"`
	} `json:"spec"`
	Status struct {
		Sync struct {
			Revision text `json:"revision"`
		} `json:"sync"`
		Operation struct {
			Phase      text    `json:"phase"`
			Message    text    `json:"message"`
			StartedAt  instant `json:"startedAt"`
			FinishedAt instant `json:"finishedAt"`
			Result     struct {
				Revision text `json:"revision"`
			} `json:"syncResult"`
			Operation struct {
				By struct {
					Username text `json:"username"`
				} `json:"initiatedBy"`
			} `json:"operation"`
		} `json:"operationState"`
	} `json:"status"`
}

// argoPhases are how far a sync of Argo CD is.
var argoPhases = map[string]string{
	"running": "", "terminating": "", "succeeded": slo.OutcomeSucceeded, "failed": slo.OutcomeFailed, "error": slo.OutcomeFailed,
}

func readArgoCD(src Source, r hook.Request) (Received, error) {
	var body struct {
		App argocd `json:"app"`
		URL text   `json:"url"`
	}
	if err := readJSON(r.Body, &body); err != nil {
		return Received{}, err
	}
	app, op := body.App, body.App.Status.Operation
	outcome, known := argoPhases[strings.ToLower(string(op.Phase))]
	if app.Metadata.Name == "" || !known {
		return refuse("app: has no name or no phase of a sync; send the Application as the documentation's template does")
	}
	revision := string(cmp.Or(op.Result.Revision, app.Status.Sync.Revision))
	at := op.FinishedAt.Time
	if outcome == "" {
		at = op.StartedAt.Time
	}
	return src.changed(Change{
		Key:     "sync/" + string(app.Metadata.Namespace+"/"+app.Metadata.Name) + "/" + revision + "/" + op.StartedAt.String(),
		Service: cmp.Or(src.Service, string(app.Metadata.Name)), Environment: string(app.Spec.Destination.Namespace), Ref: revision,
		Author: string(cmp.Or(op.Operation.By.Username, "argocd")), Description: string(op.Message),
		URL: string(body.URL), At: at, Outcome: outcome,
	}, r.At)
}
