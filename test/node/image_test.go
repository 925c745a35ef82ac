package node_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// image is one that has a single file, a program that needs no library, and runs it.
type image struct{ name, program string }

// descriptor names a blob of an OCI image (https://github.com/opencontainers/image-spec/blob/main/descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// layout is a tar archive with an OCI image layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md). Errors stay until it is closed.
type layout struct {
	content bytes.Buffer
	tar     *tar.Writer
	errs    []error
}

// writeImages writes images to a file that `ctr images import` reads.
func writeImages(file string, images ...image) error {
	l := &layout{}
	l.tar = tar.NewWriter(&l.content)
	manifests := make([]descriptor, 0, len(images))
	for _, i := range images {
		program, err := os.ReadFile(i.program)
		if err != nil {
			return err
		}
		manifests = append(manifests, l.addImage(i.name, filepath.Base(i.program), program))
	}
	l.addFile("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
	l.addFile("index.json", l.json(map[string]any{"schemaVersion": 2, "manifests": manifests}), 0o644)
	if err := errors.Join(append(l.errs, l.tar.Close())...); err != nil {
		return err
	}
	return os.WriteFile(file, l.content.Bytes(), 0o600)
}

func (l *layout) addImage(name, file string, program []byte) descriptor {
	content := &layout{}
	content.tar = tar.NewWriter(&content.content)
	content.addFile(file, program, 0o755)
	l.errs = append(append(l.errs, content.errs...), content.tar.Close())
	layer := l.addBlob("layer.v1.tar", content.content.Bytes())
	config := l.addBlob("config.v1+json", l.json(map[string]any{
		"os": runtime.GOOS, "architecture": runtime.GOARCH,
		"config": map[string]any{"Entrypoint": []string{"/" + file}, "User": "65532:65532"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	}))
	manifest := l.addBlob("manifest.v1+json", l.json(map[string]any{
		"schemaVersion": 2, "config": config, "layers": []descriptor{layer},
	}))
	manifest.Annotations = map[string]string{"io.containerd.image.name": name}
	return manifest
}

func (l *layout) addBlob(kind string, content []byte) descriptor {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	l.addFile("blobs/"+strings.Replace(digest, ":", "/", 1), content, 0o644)
	return descriptor{MediaType: "application/vnd.oci.image." + kind, Digest: digest, Size: len(content)}
}

func (l *layout) addFile(name string, content []byte, mode int64) {
	l.errs = append(l.errs, l.tar.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}))
	_, err := l.tar.Write(content)
	l.errs = append(l.errs, err)
}

func (l *layout) json(value any) []byte {
	content, err := json.Marshal(value)
	l.errs = append(l.errs, err)
	return content
}
