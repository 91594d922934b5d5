package manifest

import "gopkg.in/yaml.v3"

// roots returns the documents that stand in one YAML document: itself, or where it is a list of mappings, as OpenSLO
// files may be, each of them.
func roots(n *yaml.Node) []*yaml.Node {
	if len(n.Content) == 0 || n.Content[0].Kind != yaml.SequenceNode || len(n.Content[0].Content) == 0 || len(n.Content[0].Content) > MaxEntries {
		return []*yaml.Node{n}
	}
	var out []*yaml.Node
	for _, item := range n.Content[0].Content {
		if item.Kind != yaml.MappingNode {
			return []*yaml.Node{n}
		}
		out = append(out, &yaml.Node{Kind: yaml.DocumentNode, Line: item.Line, Content: []*yaml.Node{item}})
	}
	return out
}

// readMetadata decodes the metadata of our own documents. Of other formats' only the name is read, since what else they
// have there, such as OpenSLO's labels with several values, is their own.
func (d *Document) readMetadata() error {
	n := d.Node("metadata")
	if n == nil {
		return nil
	}
	if d.APIVersion == APIVersion || d.APIVersion == "" {
		return n.Decode(&d.Metadata)
	}
	var named struct {
		Name string `yaml:"name"`
	}
	if err := n.Decode(&named); err != nil {
		return err
	}
	d.Metadata.Name = named.Name
	return nil
}
