package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"

	"github.com/nines-sre/nines/internal/fault"
)

// stagedFile is written beside its place and then moved to it, so that whoever reads the place finds the whole old text
// or the whole new one. What cannot be replaced, such as a pipe, is written to at the end; without a path the text is
// kept.
type stagedFile struct {
	path string
	to   string // path, links followed
	kept bytes.Buffer
	temp *os.File // nil keeps the text
	b    *bufio.Writer
}

func stage(path string) (*stagedFile, error) {
	s := &stagedFile{path: path, to: path}
	if path == "" {
		return s, nil
	}
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		s.to = followed
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(s.to); err == nil {
		if !info.Mode().IsRegular() {
			return s, nil
		}
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(s.to), 0o755); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "make the folder of %s", path)
	}
	temp, err := os.CreateTemp(filepath.Dir(s.to), "."+filepath.Base(s.to)+".*")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "write %s", path)
	}
	s.temp, s.b = temp, bufio.NewWriterSize(temp, 64<<10)
	if err := temp.Chmod(mode); err != nil {
		s.discard()
		return nil, fault.Wrap(fault.Invalid, err, "write %s", path)
	}
	return s, nil
}

func (s *stagedFile) Write(text []byte) (int, error) {
	if s.temp == nil {
		return s.kept.Write(text)
	}
	return s.b.Write(text)
}

// text returns what was written where there is no path.
func (s *stagedFile) text() string {
	if s.path != "" {
		return ""
	}
	return s.kept.String()
}

// commit puts the file in its place.
func (s *stagedFile) commit() error {
	var err error
	switch {
	case s.path == "":
		return nil
	case s.temp == nil:
		err = s.pour()
	default:
		err = s.move()
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "write %s", s.path)
	}
	return nil
}

func (s *stagedFile) pour() error {
	f, err := os.OpenFile(s.to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, &s.kept)
	return err
}

func (s *stagedFile) move() error {
	if err := s.b.Flush(); err != nil {
		return err
	}
	if err := s.temp.Sync(); err != nil {
		return err
	}
	if err := s.temp.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.temp.Name(), s.to); err != nil {
		return err
	}
	s.temp = nil
	return nil
}

// discard takes away what was not put in its place.
func (s *stagedFile) discard() {
	if s.temp == nil {
		return
	}
	s.temp.Close() //nolint:errcheck // it is thrown away
	os.Remove(s.temp.Name())
	s.temp = nil
}
