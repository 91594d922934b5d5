package engine

import (
	"iter"

	"gopkg.in/yaml.v3"
)

// root returns the document's top mapping; of an empty document a new one.
func root(document *yaml.Node) *yaml.Node {
	if len(document.Content) == 1 && document.Content[0].Kind == yaml.MappingNode {
		return document.Content[0]
	}
	return &yaml.Node{Kind: yaml.MappingNode}
}

// pairs walks over the keys and values of a mapping, and over nothing for any other node.
func pairs(mapping *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if mapping.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

// valueOf returns the value of a key, which it makes where it is missing or empty.
func valueOf(mapping *yaml.Node, key string, kind yaml.Kind) *yaml.Node {
	for k, v := range pairs(mapping) {
		if k.Value != key {
			continue
		}
		if v.Kind != kind {
			*v = yaml.Node{Kind: kind}
		}
		return v
	}
	value := &yaml.Node{Kind: kind}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	return value
}
