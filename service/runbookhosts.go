package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hosts are the only addresses that steps of runbooks may reach. The zero value allows none.
type hosts struct {
	names []hostPort
	nets  []netip.Prefix
}

// hostPort is a host that an operator named; without a port every port of it.
type hostPort struct{ host, port string }

// errHostNotAllowed is what a dial ends with; its words go to people.
var errHostNotAllowed = errors.New("the host is not one that --runbook-hosts allows")

// readHosts reads a list of host, host:port, [address]:port and CIDR, apart by commas.
func readHosts(list string) (hosts, error) {
	var h hosts
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			h.nets = append(h.nets, prefix.Masked())
			continue
		}
		named, err := readHostPort(entry)
		if err != nil {
			return hosts{}, err
		}
		h.names = append(h.names, named)
	}
	return h, nil
}

func readHostPort(entry string) (hostPort, error) {
	host, port := entry, ""
	if ip, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		return hostPort{host: ip.Unmap().String()}, nil
	}
	if strings.Contains(entry, ":") {
		var err error
		if host, port, err = net.SplitHostPort(entry); err != nil {
			return hostPort{}, fmt.Errorf("%q is none of host, host:port and CIDR", entry)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return hostPort{}, fmt.Errorf("%q is none of host, host:port and CIDR", entry)
		}
	}
	if host == "" || strings.ContainsAny(host, "/*@ ?#\\") {
		return hostPort{}, fmt.Errorf("%q is none of host, host:port and CIDR", entry)
	}
	return hostPort{canonicalHost(host), port}, nil
}

func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// with returns the hosts and that of one URL more, which is the control plane's own Prometheus.
func (h hosts) with(address string) hosts {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return h
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	h.names = append(slices.Clip(h.names), hostPort{canonicalHost(u.Hostname()), port})
	return h
}

// named reports whether the list has the host itself, not only a network that its address is in.
func (h hosts) named(host, port string) bool {
	host = canonicalHost(host)
	return slices.ContainsFunc(h.names, func(n hostPort) bool { return n.host == host && (n.port == "" || n.port == port) })
}

// metadata are addresses outside the link-local ones at which clouds give out secrets.
var metadata = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16")}

// nat64 are the addresses that stand for IPv4 ones (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// allows decides about the address that a name led to: a name that is allowed may not lead to this machine unless it is
// localhost or the address is allowed itself, and nothing may lead to link-local addresses or to those of metadata.
func (h hosts) allows(name string, at netip.AddrPort) bool {
	ip, port := at.Addr().Unmap().WithZone(""), fmt.Sprint(at.Port())
	if nat64.Contains(ip) {
		ip = netip.AddrFrom4([4]byte(ip.AsSlice()[12:]))
	}
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || slices.Contains(metadata, ip) {
		return false
	}
	if slices.ContainsFunc(h.nets, func(p netip.Prefix) bool { return p.Contains(ip) }) || h.named(ip.String(), port) {
		return true
	}
	if ip.IsLoopback() && canonicalHost(name) != "localhost" {
		return false
	}
	return h.named(name, port)
}

// dial connects to a host that is allowed. The decision falls on the address that is about to be connected to, after DNS,
// so that a name cannot lead elsewhere at its second look-up.
func (h hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, errHostNotAllowed // a Unix socket
	}
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errHostNotAllowed
	}
	if _, err := netip.ParseAddr(name); err != nil && !h.named(name, port) && len(h.nets) == 0 {
		return nil, errHostNotAllowed // not even looked up
	}
	d := net.Dialer{Timeout: 10 * time.Second, Control: func(_, at string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(at); err != nil || !h.allows(name, to) {
			return errHostNotAllowed
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// client asks only hosts that are allowed: a redirect is an answer, not an order, and no proxy of the environment is taken.
func (h hosts) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true, DialContext: h.dial, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
