package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCopyIsWholeAndExecutable(t *testing.T) {
	folder := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, destination := range []string{filepath.Join(folder, "bridge"), folder} {
		// Twice: a pod's init container may run again.
		for range 2 {
			if err := copyProgram(self, destination); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries, _ := os.ReadDir(folder)
	if len(entries) != 2 {
		t.Fatal(entries)
	}
	wanted, _ := os.Stat(self)
	for _, entry := range entries {
		about, _ := entry.Info()
		if about.Mode() != 0o755 || about.Size() != wanted.Size() {
			t.Fatal(about.Mode(), about.Size())
		}
	}
}

func TestCopyLeavesNothingWhenItFails(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "taken", "bridge", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	if copyProgram(self, filepath.Join(folder, "nowhere", "bridge")) == nil {
		t.Fatal("copied to nowhere")
	}
	if err := copyProgram("/nonexistent", filepath.Join(folder, "bridge")); err == nil {
		t.Fatal("copied nothing")
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Fatal(entries)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, arguments := range [][]string{
		{}, {"-isolation", "none", "--", "x"}, {"-max-message", "10", "--", "x"}, {"-idle", "0s", "--", "x"}, {"-nope"},
	} {
		if _, err := parse(arguments); err == nil {
			t.Error(arguments)
		}
	}
	o, err := parse([]string{"-isolation", "shared", "--", "server", "-v"})
	if err != nil || !o.config.Shared || len(o.config.Arguments) != 2 {
		t.Fatal(err, o)
	}
}
