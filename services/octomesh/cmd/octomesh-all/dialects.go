package main

import "github.com/octomesh/octomesh/services/entity/projects"

// further are the dialects that this program has and octomesh has not: one line
// each, with a function beside it that opens a project's database.
var further []projects.Dialect
