// Package e2e starts the real binary with its real children and walks the product as its users do: a service fails,
// somebody is paged, acknowledges, the service heals, the postmortem and the SLA figure match the truth. The tests are
// behind the build tags e2e and bench; `make e2e` and `make bench` build the binaries they need first.
package e2e
