module quarterdeck.dev/bridge

go 1.26
