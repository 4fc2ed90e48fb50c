package yamltext

import (
	"errors"

	"go.yaml.in/yaml/v3"
)

// The limits of [Unmarshal]. The YAML library compares each key of a mapping
// with all others, so 100,000 keys would take minutes.
const (
	maxBytes = 1 << 20
	maxKeys  = 1000
)

// ErrTooLarge is the error of [Unmarshal] for data beyond its limits.
var ErrTooLarge = errors.New("is larger than 1 MiB, or has a mapping with more than 1,000 keys")

// Unmarshal decodes a YAML file that people write by hand, such as .sops.yaml.
// Its time is bounded, whatever a pull request puts into the file.
func Unmarshal(data []byte, v any) error {
	if len(data) > maxBytes {
		return ErrTooLarge
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return err
	}
	if root.Kind == 0 { // an empty file
		return nil
	}
	if isWide(&root) {
		return ErrTooLarge
	}
	return root.Decode(v)
}

func isWide(n *yaml.Node) bool {
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*maxKeys {
		return true
	}
	for _, c := range n.Content {
		if isWide(c) {
			return true
		}
	}
	return false
}
