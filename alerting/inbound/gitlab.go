package inbound

import (
	"cmp"
	"context"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/slo"
)

// gitlabHook is what we read of GitLab's webhooks.
type gitlabHook struct {
	Kind    text `json:"object_kind"`
	Project struct {
		Name          text `json:"name"`
		Path          text `json:"path_with_namespace"`
		DefaultBranch text `json:"default_branch"`
	} `json:"project"`
	User struct {
		Username text `json:"username"`
		Name     text `json:"name"`
	} `json:"user"`

	// deployment
	Status       text    `json:"status"`
	ChangedAt    instant `json:"status_changed_at"`
	DeploymentID text    `json:"deployment_id"`
	JobURL       text    `json:"deployable_url"`
	Environment  text    `json:"environment"`
	ShortSHA     text    `json:"short_sha"`
	CommitURL    text    `json:"commit_url"`
	CommitTitle  text    `json:"commit_title"`

	// release
	Action     text    `json:"action"`
	Tag        text    `json:"tag"`
	Name       text    `json:"name"`
	URL        text    `json:"url"`
	ReleasedAt instant `json:"released_at"`

	// push
	Ref      text `json:"ref"`
	After    text `json:"after"`
	UserName text `json:"user_username"`
	Commits  []struct {
		ID        text    `json:"id"`
		Title     text    `json:"title"`
		Timestamp instant `json:"timestamp"`
		URL       text    `json:"url"`
	} `json:"commits"`
}

// verifyGitLab takes the secret token as GitLab sends it.
func verifyGitLab(ctx context.Context, src Source, r hook.Request) error {
	if src.knows(r.Header.Get("X-Gitlab-Token")) {
		return nil
	}
	return verifyToken(ctx, src, r)
}

func readGitLab(src Source, r hook.Request) (Received, error) {
	var h gitlabHook
	if err := readJSON(r.Body, &h); err != nil {
		return Received{}, err
	}
	switch h.Kind {
	case "deployment":
		return h.deployed(src, r)
	case "release":
		return h.released(src, r)
	case "push":
		return h.pushed(src, r)
	}
	return Received{Answer: accepted("ignored: only deployment, release and push events are read")}, nil
}

func (h gitlabHook) change(src Source, key, ref string) Change {
	return Change{
		Key: key, Service: cmp.Or(src.Service, string(h.Project.Name)), Ref: ref,
		Author: string(cmp.Or(h.User.Username, h.User.Name, h.UserName)), Outcome: slo.OutcomeSucceeded,
	}
}

func (h gitlabHook) deployed(src Source, r hook.Request) (Received, error) {
	outcome, known := outcomes[string(h.Status)]
	if !known {
		return Received{Answer: accepted("ignored: this status of a deployment says nothing of how it goes")}, nil
	}
	ref := cmp.Or(lastPart(string(h.CommitURL)), string(h.ShortSHA), string(h.Ref))
	c := h.change(src, "deployment/"+string(h.Project.Path)+"/"+string(h.DeploymentID), ref)
	c.Environment, c.Description, c.URL = string(h.Environment), string(h.CommitTitle), string(h.JobURL)
	c.At, c.Outcome = h.ChangedAt.Time, outcome
	return src.changed(c, r.At)
}

func (h gitlabHook) released(src Source, r hook.Request) (Received, error) {
	if h.Action != "create" {
		return Received{Answer: accepted("ignored: of releases only their creation is read")}, nil
	}
	if h.Tag == "" {
		return refuse("tag: is missing")
	}
	c := h.change(src, "release/"+string(h.Project.Path)+"/"+string(h.Tag), string(h.Tag))
	c.Kind, c.Description, c.URL, c.At = "release", string(h.Name), string(h.URL), h.ReleasedAt.Time
	return src.changed(c, r.At)
}

func (h gitlabHook) pushed(src Source, r hook.Request) (Received, error) {
	branch, ok := strings.CutPrefix(string(h.Ref), "refs/heads/")
	gone := strings.Trim(string(h.After), "0") == ""
	if !ok || gone || (h.Project.DefaultBranch != "" && branch != string(h.Project.DefaultBranch)) {
		return Received{Answer: accepted("ignored: of pushes only those to the default branch are read")}, nil
	}
	c := h.change(src, "push/"+string(h.Project.Path)+"/"+string(h.After), string(h.After))
	c.Kind = "push"
	for _, commit := range h.Commits {
		if commit.ID == h.After {
			c.Description, c.URL, c.At = string(commit.Title), string(commit.URL), commit.Timestamp.Time
		}
	}
	return src.changed(c, r.At)
}

func lastPart(url string) string { return url[strings.LastIndex(url, "/")+1:] }
