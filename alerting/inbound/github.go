package inbound

import (
	"cmp"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/slo"
)

type githubUser struct {
	Login text `json:"login"`
}

// githubHook is what we read of GitHub's webhooks.
type githubHook struct {
	Action     text       `json:"action"`
	Sender     githubUser `json:"sender"`
	Repository struct {
		Name          text `json:"name"`
		FullName      text `json:"full_name"`
		DefaultBranch text `json:"default_branch"`
	} `json:"repository"`

	Deployment *struct {
		ID          text       `json:"id"`
		SHA         text       `json:"sha"`
		Ref         text       `json:"ref"`
		Task        text       `json:"task"`
		Environment text       `json:"environment"`
		Description text       `json:"description"`
		Creator     githubUser `json:"creator"`
	} `json:"deployment"`
	Status *struct {
		State     text    `json:"state"`
		LogURL    text    `json:"log_url"`
		TargetURL text    `json:"target_url"`
		CreatedAt instant `json:"created_at"`
	} `json:"deployment_status"`

	Release *struct {
		Tag       text       `json:"tag_name"`
		Name      text       `json:"name"`
		URL       text       `json:"html_url"`
		Author    githubUser `json:"author"`
		Published instant    `json:"published_at"`
	} `json:"release"`

	Ref     text `json:"ref"`
	After   text `json:"after"`
	Compare text `json:"compare"`
	Deleted bool `json:"deleted"`
	Head    *struct {
		Message   text    `json:"message"`
		Timestamp instant `json:"timestamp"`
	} `json:"head_commit"`
	Pusher struct {
		Name text `json:"name"`
	} `json:"pusher"`
}

func readGitHub(src Source, r hook.Request) (Received, error) {
	body, err := jsonOrForm(r, "payload")
	if err != nil {
		return Received{}, err
	}
	var h githubHook
	if err := readJSON(body, &h); err != nil {
		return Received{}, err
	}
	event := r.Header.Get("X-GitHub-Event")
	switch {
	case event == "deployment_status" && h.Deployment != nil && h.Status != nil:
		return h.deployed(src, r)
	case event == "release" && h.Release != nil:
		return h.released(src, r)
	case event == "push" && h.Ref != "":
		return h.pushed(src, r)
	case event == "deployment_status", event == "release", event == "push":
		return refuse("body: is not a GitHub event %s, which the header X-GitHub-Event announces", event)
	}
	return Received{Answer: accepted("ignored: only deployment_status, release and push are read")}, nil
}

// githubDone are the states of a deployment that GitHub has beside those of outcomes: superseded by another deployment.
const githubInactive = "inactive"

func (h githubHook) deployed(src Source, r hook.Request) (Received, error) {
	d, s := h.Deployment, h.Status
	if s.State == githubInactive {
		return Received{Answer: accepted("ignored: a later deployment took the place of this one")}, nil
	}
	outcome, known := outcomes[string(s.State)]
	if !known {
		return refuse("deployment_status.state: %q is not known", clip(string(s.State), 40))
	}
	c := Change{
		Key:         "deployment/" + string(h.Repository.FullName) + "/" + string(d.ID),
		Service:     cmp.Or(src.Service, string(h.Repository.Name)),
		Environment: string(d.Environment), Ref: string(cmp.Or(d.SHA, d.Ref)), Author: string(cmp.Or(d.Creator.Login, h.Sender.Login)),
		Description: string(cmp.Or(d.Description, h.Repository.FullName+"@"+d.Ref)), URL: string(cmp.Or(s.LogURL, s.TargetURL)),
		At: s.CreatedAt.Time, Outcome: outcome,
	}
	if d.Task == "rollback" || strings.HasSuffix(string(d.Task), ":rollback") {
		c.Kind = "rollback"
	}
	return src.changed(c, r.At)
}

func (h githubHook) released(src Source, r hook.Request) (Received, error) {
	if h.Action != "published" {
		return Received{Answer: accepted("ignored: of releases only their publication is read")}, nil
	}
	in := h.Release
	return src.changed(Change{
		Key: "release/" + string(h.Repository.FullName) + "/" + string(in.Tag), Service: cmp.Or(src.Service, string(h.Repository.Name)),
		Ref: string(in.Tag), Kind: "release", Author: string(cmp.Or(in.Author.Login, h.Sender.Login)),
		Description: string(cmp.Or(in.Name, in.Tag)),
		URL:         string(in.URL), At: in.Published.Time, Outcome: slo.OutcomeSucceeded,
	}, r.At)
}

// pushed counts pushes to the default branch alone; other branches change nothing that runs.
func (h githubHook) pushed(src Source, r hook.Request) (Received, error) {
	branch, ok := strings.CutPrefix(string(h.Ref), "refs/heads/")
	if h.Deleted || !ok || (h.Repository.DefaultBranch != "" && branch != string(h.Repository.DefaultBranch)) {
		return Received{Answer: accepted("ignored: of pushes only those to the default branch are read")}, nil
	}
	c := Change{
		Key: "push/" + string(h.Repository.FullName) + "/" + string(h.After), Service: cmp.Or(src.Service, string(h.Repository.Name)),
		Ref: string(h.After), Kind: "push", Author: string(cmp.Or(h.Pusher.Name, h.Sender.Login)),
		URL: string(h.Compare), Outcome: slo.OutcomeSucceeded,
	}
	if h.Head != nil {
		c.Description, c.At = firstLine(string(h.Head.Message)), h.Head.Timestamp.Time
	}
	return src.changed(c, r.At)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}
