package main

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

// machine says where a run took place.
type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Memory   string `json:"memory"`
	Kernel   string `json:"kernel"`
	OTP      string `json:"otp"`
	Go       string `json:"go"`
	Revision string `json:"revision"`
	Load     string `json:"load_average_before"`
}

func describeMachine(root string) machine {
	return machine{
		CPU:      match("/proc/cpuinfo", `model name\s*:\s*(.+)`),
		Cores:    runtime.NumCPU(),
		Memory:   match("/proc/meminfo", `MemTotal:\s*(.+)`),
		Kernel:   runtime.GOOS + " " + match("/proc/sys/kernel/osrelease", `(.+)`) + " " + runtime.GOARCH,
		OTP:      otpVersion(),
		Go:       strings.TrimPrefix(runtime.Version(), "go"),
		Revision: output("git", "-C", root, "describe", "--always", "--dirty"),
		Load:     match("/proc/loadavg", `(\S+ \S+ \S+)`),
	}
}

func otpVersion() string {
	return output("erl", "-noshell", "-eval", `
		Release = erlang:system_info(otp_release),
		File = filename:join([code:root_dir(), "releases", Release, "OTP_VERSION"]),
		Version = case file:read_file(File) of
			{ok, Text} -> string:trim(Text);
			{error, _} -> Release
		end,
		Jit = erlang:system_info(emu_flavor),
		io:format("~s (erts ~s, ~s)", [Version, erlang:system_info(version), Jit]),
		halt().`)
}

func match(file, pattern string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return "unknown"
	}
	return strings.TrimSpace(string(found[1]))
}

func output(name string, args ...string) string {
	text, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
