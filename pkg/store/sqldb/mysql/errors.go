package mysql

import (
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

// kinds are the errors of the servers that mean something to us
// (https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html,
// https://mariadb.com/kb/en/mariadb-error-codes/).
var kinds = map[uint16]sqldb.Kind{
	1022: sqldb.Unique, 1062: sqldb.Unique, 1169: sqldb.Unique, 1586: sqldb.Unique,
	1048: sqldb.NotNull, 1263: sqldb.NotNull, 1364: sqldb.NotNull,
	1216: sqldb.ForeignKey, 1217: sqldb.ForeignKey, 1451: sqldb.ForeignKey, 1452: sqldb.ForeignKey,
	3819: sqldb.Rule, 4025: sqldb.Rule, 1644: sqldb.Rule, 3140: sqldb.Rule, 1265: sqldb.Rule, 1366: sqldb.Rule, 1292: sqldb.Rule,
	1406: sqldb.TooLong,
	1264: sqldb.OutOfRange, 1690: sqldb.OutOfRange,
	1153: sqldb.TooLarge, 1118: sqldb.TooLarge, 1301: sqldb.TooLarge,
	// 1020: MariaDB 11 for what has changed since the snapshot; 3058: a cycle of named locks
	1020: sqldb.Again, 1205: sqldb.Again, 1213: sqldb.Again, 1614: sqldb.Again, 3058: sqldb.Again, 3101: sqldb.Again, 3572: sqldb.Again,
	// stopped or killed by its administrator
	1053: sqldb.Lost, 1077: sqldb.Lost, 1079: sqldb.Lost, 1080: sqldb.Lost, 1927: sqldb.Lost, 3168: sqldb.Refused, 4031: sqldb.Lost, 1184: sqldb.Lost,
	1044: sqldb.Denied, 1045: sqldb.Denied, 1142: sqldb.Denied, 1143: sqldb.Denied, 1227: sqldb.Denied, 1251: sqldb.Denied, 1370: sqldb.Denied, 1698: sqldb.Denied, 1820: sqldb.Denied, 3118: sqldb.Denied,
	1049: sqldb.NoDatabase, 1046: sqldb.NoDatabase,
	1040: sqldb.Crowded, 1203: sqldb.Crowded, 1226: sqldb.Crowded, 1129: sqldb.Crowded, 1135: sqldb.Crowded, 1461: sqldb.Crowded, 1037: sqldb.Crowded, 1038: sqldb.Crowded, 1041: sqldb.Crowded,
	1021: sqldb.Full, 1114: sqldb.Full, 3: sqldb.Full, 1030: sqldb.Full,
	1290: sqldb.ReadOnly, 1792: sqldb.ReadOnly, 1836: sqldb.ReadOnly,
	1317: sqldb.Slow, 1969: sqldb.Slow, 3024: sqldb.Slow,
}

// classify tells what an error of the driver means.
func classify(err error) sqldb.Problem {
	switch {
	case errors.Is(err, mysql.ErrInvalidConn):
		return sqldb.Problem{Kind: sqldb.Lost}
	case errors.Is(err, mysql.ErrPktTooLarge):
		return sqldb.Problem{Kind: sqldb.TooLarge}
	}
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return sqldb.Problem{}
	}
	p := sqldb.Problem{Kind: kinds[e.Number]}
	if e.Number == 1105 && strings.Contains(e.Message, "max_allowed_packet") { // else it says nothing
		p.Kind = sqldb.TooLarge
	}
	switch p.Kind {
	case sqldb.Unique: // … for key 'table.index', or 'index'
		p.Index = last(e.Message)
		if _, index, ok := strings.Cut(p.Index, "."); ok {
			p.Index = index
		}
	case sqldb.NotNull, sqldb.TooLong, sqldb.OutOfRange: // Column 'x' cannot be null; Data too long for column 'x' at row 1
		p.Column = last(e.Message)
	}
	return p
}

// last is the last text in single quotes: what comes before it may be a value
// with quotes of its own.
func last(message string) string {
	end := strings.LastIndexByte(message, '\'')
	if end < 0 {
		return ""
	}
	begin := strings.LastIndexByte(message[:end], '\'')
	return message[begin+1 : end]
}
