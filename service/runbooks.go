package service

// runbookText returns the Markdown of the runbook of that name: the team's, else the one that ships.
func (p *plane) runbookText(name string) (string, bool) {
	page, err := p.definitions.Catalog().RunbookPage(name)
	return page.Text, err == nil
}
