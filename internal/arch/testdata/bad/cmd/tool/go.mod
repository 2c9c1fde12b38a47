module github.com/sessile/sessile/cmd/tool
