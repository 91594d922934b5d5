package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"golang.org/x/sync/errgroup"
)

// fleetStep is the length of a step of allocation; fleetBatch is how much is asked for at once.
const (
	fleetStep  = time.Hour
	fleetBatch = 7 * 24 * time.Hour
)

const gib = 1 << 30

// weighted averages an expression over the hour; what was there for half of it counts half.
func weighted(expr string) string {
	return "avg_over_time((" + expr + ")[1h:5m]) * clamp_max(count_over_time((" + expr + ")[1h:5m]) / 12, 1)"
}

// source is one question about what ran, asked at the end of each hour.
type source struct {
	name  string // for people
	query string
}

const isContainer = `container!="", container!="POD"`

// The sources, from kube-state-metrics, cAdvisor, the network-costs exporter and the node exporter.
var (
	nodeCPU      = source{"node vCPUs", weighted(`max by (node) (kube_node_status_capacity{resource="cpu"})`)}
	nodeRAM      = source{"node memory", weighted(`max by (node) (kube_node_status_capacity{resource="memory"})`)}
	nodeGPU      = source{"node GPUs", weighted(`sum by (node) (kube_node_status_capacity{resource=~".*gpu.*"})`)}
	nodeLabels   = source{"node labels", `max by (node, label_topology_kubernetes_io_region, label_node_kubernetes_io_instance_type) (last_over_time(kube_node_labels[1h]))`}
	nodeInfo     = source{"node providers", `max by (node, provider_id) (last_over_time(kube_node_info[1h]))`}
	hostCPU      = source{"host vCPUs", weighted(`count by (instance) (node_cpu_seconds_total{mode="idle"})`)}
	hostRAM      = source{"host memory", weighted(`max by (instance) (node_memory_MemTotal_bytes)`)}
	cpuRequests  = source{"CPU requests", weighted(`sum by (namespace, pod, container) (kube_pod_container_resource_requests{resource="cpu"})`)}
	ramRequests  = source{"memory requests", weighted(`sum by (namespace, pod, container) (kube_pod_container_resource_requests{resource="memory"})`)}
	gpuRequests  = source{"GPU requests", weighted(`sum by (namespace, pod, container) (kube_pod_container_resource_requests{resource=~".*gpu.*"})`)}
	cpuUsage     = source{"CPU usage", `sum by (namespace, pod, container) (increase(container_cpu_usage_seconds_total{` + isContainer + `}[1h])) / 3600`}
	ramUsage     = source{"memory usage", weighted(`sum by (namespace, pod, container) (container_memory_working_set_bytes{` + isContainer + `})`)}
	podNodes     = source{"pods' nodes", `max by (namespace, pod, node) (last_over_time(kube_pod_info{node!=""}[1h]))`}
	podLabels    = source{"pod labels", `max by (namespace, pod, label_tenant, label_team, label_service, label_app_kubernetes_io_name, label_app) (last_over_time(kube_pod_labels[1h]))`}
	spaceLabels  = source{"namespace labels", `max by (namespace, label_tenant, label_team, label_service) (last_over_time(kube_namespace_labels[1h]))`}
	volumes      = source{"volumes", weighted(`sum by (namespace) (kube_persistentvolumeclaim_resource_requests_storage_bytes)`)}
	egress       = source{"egress by class", `sum by (namespace, pod_name, internet, same_region, same_zone) (increase(kubecost_pod_network_egress_bytes_total[1h]))`}
	sent         = source{"bytes sent", `sum by (namespace, pod) (increase(container_network_transmit_bytes_total{pod!=""}[1h]))`}
	balancers    = source{"load balancers", weighted(`sum by (namespace, service) (kube_service_spec_type{type="LoadBalancer"})`)}
	fleetSources = []source{nodeCPU, nodeRAM, nodeGPU, nodeLabels, nodeInfo, hostCPU, hostRAM, cpuRequests, ramRequests, gpuRequests, cpuUsage, ramUsage,
		podNodes, podLabels, spaceLabels, volumes, egress, sent, balancers}
)

// fleet is what ran, hour by hour, and how much of it was seen.
type fleet struct {
	steps    []allocation.Step
	coverage []allocation.Coverage
}

// answers are each source's samples by hour.
type answers map[string][][]Sample

// fleetIn asks what ran in each hour of [from, to), which are whole hours apart.
func (s *Service) fleetIn(ctx context.Context, from, to time.Time) (fleet, error) {
	hours := int(to.Sub(from) / fleetStep)
	found := answers{}
	for _, q := range fleetSources {
		found[q.name] = make([][]Sample, hours)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, q := range fleetSources {
		for begin := from; begin.Before(to); begin = begin.Add(fleetBatch) {
			end := earliest(begin.Add(fleetBatch), to)
			group.Go(func() error {
				series, err := s.Metrics.QueryRange(ctx, q.query, begin.Add(fleetStep), end, fleetStep)
				if err != nil {
					return fmt.Errorf("%s: %w", q.name, err)
				}
				found.put(q.name, series, from, begin, end) // each batch writes hours of its own
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return fleet{}, err
	}
	var f fleet
	for hour := range hours {
		at := from.Add(time.Duration(hour) * fleetStep)
		f.steps = append(f.steps, found.step(hour, at, at.Add(fleetStep)))
	}
	f.coverage = found.coverage(hours)
	return f, nil
}

func (a answers) put(name string, series []Series, from, begin, end time.Time) {
	for _, one := range series {
		for _, p := range one.Points {
			if p.At.After(begin) && !p.At.After(end) && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
				hour := int(p.At.Sub(from)/fleetStep) - 1
				a[name][hour] = append(a[name][hour], Sample{Labels: one.Labels, Value: p.Value})
			}
		}
	}
}

// coverage lists the sources that answered at all, and those without which nothing can be allocated.
func (a answers) coverage(hours int) []allocation.Coverage {
	var out []allocation.Coverage
	for _, q := range fleetSources {
		seen := 0
		for _, samples := range a[q.name] {
			if len(samples) > 0 {
				seen++
			}
		}
		needed := slices.Contains([]string{nodeCPU.name, nodeRAM.name, cpuRequests.name, cpuUsage.name, ramRequests.name, ramUsage.name}, q.name)
		if seen > 0 || needed {
			out = append(out, allocation.Coverage{Source: q.name, Hours: seen, Of: hours, Share: float64(seen) / float64(max(1, hours))})
		}
	}
	return out
}

type podKey struct{ namespace, pod string }

func (a answers) step(hour int, from, to time.Time) allocation.Step {
	nodes := a.nodes(hour)
	step := allocation.Step{From: from, To: to}
	for _, n := range nodes {
		step.Nodes = append(step.Nodes, *n)
	}
	slices.SortFunc(step.Nodes, func(x, y allocation.Node) int { return cmp.Compare(x.Name, y.Name) })
	owners, on := a.owners(hour), map[podKey]string{}
	for _, s := range a[podNodes.name][hour] {
		on[podOf(s)] = s.Labels["node"]
	}
	step.Containers = a.containers(hour, owners, on)
	place := func(pod podKey) cost.Place {
		if n, ok := nodes[on[pod]]; ok {
			return cost.Place{Provider: n.Provider, Region: n.Region}
		}
		return onlyPlace(step.Nodes)
	}
	step.Meters = a.meters(hour, owners, place)
	return step
}

// onlyPlace is where everything is, if all nodes are in one place: so is what is on no node, such as volumes.
func onlyPlace(nodes []allocation.Node) cost.Place {
	var only cost.Place
	for i, n := range nodes {
		p := cost.Place{Provider: n.Provider, Region: n.Region}
		if i > 0 && p != only {
			return cost.Place{}
		}
		only = p
	}
	return only
}

func podOf(s Sample) podKey {
	return podKey{s.Labels["namespace"], cmp.Or(s.Labels["pod"], s.Labels["pod_name"])}
}

func (a answers) nodes(hour int) map[string]*allocation.Node {
	out := map[string]*allocation.Node{}
	set := func(q source, label string, into func(*allocation.Node, float64)) {
		for _, s := range a[q.name][hour] {
			name := s.Labels[label]
			if name == "" {
				continue
			}
			if out[name] == nil {
				out[name] = &allocation.Node{Name: name}
			}
			into(out[name], s.Value)
		}
	}
	set(nodeCPU, "node", func(n *allocation.Node, v float64) { n.CPU = v })
	set(nodeRAM, "node", func(n *allocation.Node, v float64) { n.RAM = v / gib })
	set(nodeGPU, "node", func(n *allocation.Node, v float64) { n.GPU = v })
	if len(out) == 0 { // no Kubernetes: the machines themselves
		set(hostCPU, "instance", func(n *allocation.Node, v float64) { n.CPU = v })
		set(hostRAM, "instance", func(n *allocation.Node, v float64) { n.RAM = v / gib })
	}
	for _, s := range a[nodeLabels.name][hour] {
		if n := out[s.Labels["node"]]; n != nil {
			n.Region, n.InstanceType = s.Labels["label_topology_kubernetes_io_region"], s.Labels["label_node_kubernetes_io_instance_type"]
		}
	}
	for _, s := range a[nodeInfo.name][hour] {
		if n := out[s.Labels["node"]]; n != nil {
			n.Provider = providerOf(s.Labels["provider_id"])
		}
	}
	return out
}

// providerOf reads a node's provider from its id, such as gce://project/zone/name.
func providerOf(id string) string {
	scheme, _, found := strings.Cut(id, "://")
	if !found {
		return ""
	}
	return cmp.Or(map[string]string{"gce": "gcp"}[scheme], scheme)
}

// owners says whose a pod is: by its own labels, else by its namespace's.
func (a answers) owners(hour int) func(podKey) allocation.Owner {
	spaces, pods := map[string]allocation.Owner{}, map[podKey]allocation.Owner{}
	for _, s := range a[spaceLabels.name][hour] {
		l := s.Labels
		spaces[l["namespace"]] = allocation.Owner{Tenant: l["label_tenant"], Team: l["label_team"], Service: l["label_service"]}
	}
	for _, s := range a[podLabels.name][hour] {
		l := s.Labels
		pods[podOf(s)] = allocation.Owner{Tenant: l["label_tenant"], Team: l["label_team"],
			Service: cmp.Or(l["label_service"], l["label_app_kubernetes_io_name"], l["label_app"])}
	}
	return func(p podKey) allocation.Owner {
		own, space := pods[p], spaces[p.namespace]
		return allocation.Owner{Tenant: cmp.Or(own.Tenant, space.Tenant), Team: cmp.Or(own.Team, space.Team),
			Service: cmp.Or(own.Service, space.Service), Namespace: p.namespace}
	}
}

type containerKey struct {
	podKey
	container string
}

func (a answers) containers(hour int, owner func(podKey) allocation.Owner, on map[podKey]string) []allocation.Container {
	found := map[containerKey]*allocation.Container{}
	set := func(q source, into func(*allocation.Container, float64)) {
		for _, s := range a[q.name][hour] {
			k := containerKey{podOf(s), s.Labels["container"]}
			if found[k] == nil {
				found[k] = &allocation.Container{Node: on[k.podKey], Owner: owner(k.podKey)}
			}
			into(found[k], s.Value)
		}
	}
	set(cpuRequests, func(c *allocation.Container, v float64) { c.CPU.Request = v })
	set(cpuUsage, func(c *allocation.Container, v float64) { c.CPU.Usage = v })
	set(ramRequests, func(c *allocation.Container, v float64) { c.RAM.Request = v / gib })
	set(ramUsage, func(c *allocation.Container, v float64) { c.RAM.Usage = v / gib })
	set(gpuRequests, func(c *allocation.Container, v float64) { c.GPU.Request = v })
	out := make([]allocation.Container, 0, len(found))
	for _, c := range found {
		out = append(out, *c)
	}
	return out
}

// meters are volumes, traffic and load balancers. Traffic is by class where the exporter knows where it goes, else it has
// no class, and only a rate without one prices it.
func (a answers) meters(hour int, owner func(podKey) allocation.Owner, place func(podKey) cost.Place) []allocation.Meter {
	var out []allocation.Meter
	add := func(q source, of func(Sample) (cost.Resource, string, float64)) {
		for _, s := range a[q.name][hour] {
			if r, class, quantity := of(s); quantity > 0 && class != classLocal {
				pod := podOf(s)
				out = append(out, allocation.Meter{Owner: owner(pod), Place: place(pod), Resource: r, Class: class, Quantity: quantity})
			}
		}
	}
	add(volumes, func(s Sample) (cost.Resource, string, float64) { return cost.Storage, "", s.Value / gib })
	add(balancers, func(s Sample) (cost.Resource, string, float64) { return cost.LoadBalancer, "", s.Value })
	if len(a[egress.name][hour]) > 0 {
		add(egress, func(s Sample) (cost.Resource, string, float64) { return cost.Egress, classOf(s.Labels), s.Value / gib })
	} else {
		add(sent, func(s Sample) (cost.Resource, string, float64) { return cost.Egress, "", s.Value / gib })
	}
	return out
}

// classOf reads where traffic goes from the network-costs exporter's labels; traffic within a zone has the class "local",
// which nobody charges for.
func classOf(l map[string]string) string {
	switch {
	case l["internet"] == "true":
		return cost.Internet
	case l["same_region"] == "false":
		return cost.CrossRegion
	case l["same_zone"] == "false":
		return cost.CrossZone
	}
	return classLocal
}

const classLocal = "local"
