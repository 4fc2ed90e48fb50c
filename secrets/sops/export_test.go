package sops

import (
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
)

// HasUsualForm is hasUsualForm for tests.
func HasUsualForm(root *yaml.Node) bool { return hasUsualForm(root) }

// CheckAnyForm is checkAnyForm for tests.
func (d *Decrypter) CheckAnyForm(file string, root *yaml.Node) []secrets.FormProblem {
	return d.checkAnyForm(file, root)
}
