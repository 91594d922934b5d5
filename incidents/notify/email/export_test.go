package email

import "crypto/tls"

// Trust makes the notifier trust a test's certificate.
func (n *Notifier) Trust(c *tls.Config) { n.server.tls = c }
