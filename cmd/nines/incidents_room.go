package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

// levelFlag reads --level, 0 where it was left out.
func levelFlag(text string) (incidents.Level, error) {
	if text == "" {
		return 0, nil
	}
	level, ok := incidents.ParseLevel(text)
	if !ok {
		return 0, fault.New(fault.Invalid, "--level %q is none; write SEV1 to SEV5", text)
	}
	return level, nil
}

func (a *cli) incidentsDeclare() *cobra.Command {
	var level, service, impact, tenant, policy, commander, summary, severity string
	var users, alerts []string
	c := &cobra.Command{
		Use: "declare TITLE", Short: "Open an incident by hand; it calls people as its level says", Args: args(cobra.MaximumNArgs(1)),
		Example: "nines incidents declare \"Checkout fails\" --level SEV1 --service shop --commander ana@example.com\nnines incidents declare --alert 25c2cdb12d31dc50",
		RunE: func(c *cobra.Command, words []string) error {
			rated, err := levelFlag(level)
			if err != nil {
				return err
			}
			body := map[string]any{}
			for name, value := range map[string]string{"service": service, "impact": impact, "tenant": tenant, "policy": policy, "commander": commander,
				"summary": summary, "severity": severity, "title": strings.Join(words, "")} {
				if value != "" {
					body[name] = value
				}
			}
			if rated != 0 {
				body["level"] = rated
			}
			if len(users) > 0 {
				body["users"] = users
			}
			if len(alerts) > 0 {
				body["alerts"] = alerts
			}
			return a.opened(c, "/incidents", body)
		},
	}
	f := c.Flags()
	f.StringVar(&level, "level", "", "SEV1 to SEV5")
	f.StringVar(&severity, "severity", "", "critical, error, warning or info, instead of what the level says")
	f.StringVar(&service, "service", "", "which service it is about")
	f.StringVar(&impact, "impact", "", "who notices it: everyone, many, one, internal or unknown")
	f.StringVar(&tenant, "tenant", "", "the customer whom it affects alone")
	f.StringVar(&summary, "summary", "", "what is known so far")
	f.StringVar(&policy, "to", "", "name of an escalation policy, instead of the service's")
	f.StringSliceVar(&users, "user", nil, "e-mail address of a person to call instead; may be repeated")
	f.StringVar(&commander, "commander", "", "e-mail address of who takes that role at once")
	f.StringSliceVar(&alerts, "alert", nil, "fingerprint of an alert that fires and that it stands for; may be repeated")
	return c
}

// opened posts what makes an incident and shows that.
func (a *cli) opened(c *cobra.Command, path string, body any) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var i incident
	if err := api.post(c.Context(), path, body, &i); err != nil {
		return err
	}
	return a.show(i, func() {
		a.printf("#%d %s %s is %s (%s): %s\n", i.Number, i.Level, i.Severity, i.State, printable(whoIsOn(i)), printable(i.Title))
	})
}

func (a *cli) incidentsRate() *cobra.Command {
	var level, impact, reason string
	c := &cobra.Command{
		Use: "rate ID...", Short: "Say how much incidents matter, SEV1 to SEV5, or who notices them", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			rated, err := levelFlag(level)
			if err != nil {
				return err
			}
			if rated == 0 && impact == "" {
				return fault.New(fault.Invalid, "write --level, such as SEV2, or --impact, such as many")
			}
			body := map[string]any{"reason": reason}
			if rated != 0 {
				body["level"] = rated
			}
			if impact != "" {
				body["impact"] = impact
			}
			return a.change(c, ids, "rate", body)
		},
	}
	c.Flags().StringVar(&level, "level", "", "SEV1 to SEV5; left out, what the matrix says")
	c.Flags().StringVar(&impact, "impact", "", "everyone, many, one, internal or unknown")
	c.Flags().StringVarP(&reason, "reason", "m", "", "why; it goes onto the timeline")
	return c
}

func (a *cli) incidentsRole() *cobra.Command {
	var user, from string
	var nobody bool
	c := &cobra.Command{
		Use: "role ID ROLE", Short: "Take a role in an incident, or give it to somebody", Args: args(cobra.ExactArgs(2)),
		Long:    "The roles are commander, scribe, communications and liaison. Where somebody has the role already, --from says that you know.",
		Example: "nines incidents role 42 commander\nnines incidents role 42 commander --user bo@example.com --from ana@example.com",
		RunE: func(c *cobra.Command, words []string) error {
			if nobody && user != "" {
				return fault.New(fault.Invalid, "write one of --user and --nobody")
			}
			if user == "" && !nobody {
				api, err := a.client()
				if err != nil {
					return err
				}
				var me struct {
					Name string `json:"name"`
				}
				if err := api.get(c.Context(), "/me", nil, &me); err != nil {
					return err
				}
				if user = me.Name; !strings.Contains(user, "@") {
					return fault.New(fault.Invalid, "write --user: the token you use is %q, which is no person's", user)
				}
			}
			body := map[string]any{"role": words[1]}
			if user != "" {
				body["user"] = user
			}
			if from != "" {
				body["from"] = from
			}
			return a.change(c, words[:1], "roles", body)
		},
	}
	c.Flags().StringVar(&user, "user", "", "e-mail address of who has it from now on; you unless set")
	c.Flags().StringVar(&from, "from", "", "e-mail address of who has it now")
	c.Flags().BoolVar(&nobody, "nobody", false, "leave the role to nobody")
	return c
}

func (a *cli) incidentsMerge() *cobra.Command {
	var into, reason string
	c := &cobra.Command{
		Use: "merge ID...", Short: "Make incidents part of another; their alerts go on there", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			if into == "" {
				return fault.New(fault.Invalid, "write --into, the number of the incident that goes on")
			}
			return a.change(c, ids, "merge", map[string]string{"into": strings.TrimPrefix(into, "#"), "reason": reason})
		},
	}
	c.Flags().StringVar(&into, "into", "", "number of the incident that goes on")
	c.Flags().StringVarP(&reason, "reason", "m", "", "why; it goes onto both timelines")
	return c
}

func (a *cli) incidentsSplit() *cobra.Command {
	var alerts []string
	var title, reason string
	c := &cobra.Command{
		Use: "split ID", Short: "Make an incident of its own out of alerts of one", Args: args(cobra.ExactArgs(1)),
		Long: "Without --alert it shows which alerts fire in the incident.",
		RunE: func(c *cobra.Command, ids []string) error {
			if len(alerts) == 0 {
				return a.showAlertsOf(c, ids[0])
			}
			return a.opened(c, incidentPath(ids[0])+"/split", map[string]any{"alerts": alerts, "title": title, "reason": reason})
		},
	}
	c.Flags().StringSliceVar(&alerts, "alert", nil, "fingerprint of an alert to take along; may be repeated")
	c.Flags().StringVar(&title, "title", "", "of the new incident; its first alert's unless set")
	c.Flags().StringVarP(&reason, "reason", "m", "", "why; it goes onto both timelines")
	return c
}

func (a *cli) showAlertsOf(c *cobra.Command, id string) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var answer struct {
		Alerts []struct {
			Fingerprint string            `json:"fingerprint"`
			Labels      map[string]string `json:"labels"`
			StartsAt    time.Time         `json:"startsAt"`
		} `json:"alerts"`
	}
	if err := api.get(c.Context(), incidentPath(id)+"/alerts", nil, &answer); err != nil {
		return err
	}
	return a.show(answer, func() {
		var rows [][]string
		for _, al := range answer.Alerts {
			rows = append(rows, []string{al.Fingerprint, al.Labels["alertname"], al.Labels["severity"], ago(al.StartsAt), otherLabels(al.Labels)})
		}
		if len(rows) == 0 {
			a.printf("No alert fires in it.\n")
			return
		}
		a.table([]string{"alert", "name", "severity", "since", "labels"}, rows)
	})
}

func (a *cli) incidentsReopen() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "reopen ID", Short: "Open a new incident where a resolved one ended, and call people", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.opened(c, incidentPath(ids[0])+"/reopen", map[string]string{"reason": reason})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "m", "", "why; it goes onto both timelines")
	return c
}

// roomRows are an incident's lines about who does what, for people.
func roomRows(i incident) [][2]string {
	var rows [][2]string
	if i.Level.Valid() {
		text := i.Level.String()
		if i.RatedBy != "" {
			text += " by " + i.RatedBy
		}
		rows = append(rows, [2]string{"level", text})
	}
	for _, role := range i.Named() {
		rows = append(rows, [2]string{string(role), i.Roles[role]})
	}
	if i.Phase != "" {
		text := string(i.Phase)
		if i.UpdateDue != nil {
			text += fmt.Sprintf(", next update by %s", clock(*i.UpdateDue))
		}
		rows = append(rows, [2]string{"status", text})
	}
	return rows
}
