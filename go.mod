module github.com/gentcp/gentcp

go 1.26.8
