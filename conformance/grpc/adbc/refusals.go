package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
)

// credentials shows the key in each way that the driver knows.
func (a *asker) credentials() error {
	for name, o := range map[string]options{
		"header":   {driver.OptionRPCCallHeaderPrefix + "x-api-key": key},
		"project":  {driver.OptionRPCCallHeaderPrefix + "x-api-key": key, driver.OptionRPCCallHeaderPrefix + "x-project": "default"},
		"bearer":   {driver.OptionAuthorizationHeader: "Bearer " + key},
		"basic":    {driver.OptionAuthorizationHeader: "Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+key))},
		"password": {adbc.OptionKeyUsername: "anybody", adbc.OptionKeyPassword: key},
		"cookies":  {driver.OptionRPCCallHeaderPrefix + "x-api-key": key, driver.OptionCookieMiddleware: adbc.OptionValueEnabled},
	} {
		cn, err := open(a.ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		got, err := query(a.ctx, cn, `SELECT 1 AS "one"`)
		if err := all(err, same(name, fmt.Sprint(got), "[map[one:1]]"), cn.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) strangers() error {
	for name, c := range map[string]struct {
		o    options
		want adbc.Status
	}{
		"no key":          {options{}, adbc.StatusUnauthenticated},
		"rubbish":         {options{driver.OptionRPCCallHeaderPrefix + "x-api-key": "rubbish"}, adbc.StatusUnauthenticated},
		"unknown key":     {options{driver.OptionRPCCallHeaderPrefix + "x-api-key": "sk_live_AAAAAAAA_" + strings.Repeat("0", 43)}, adbc.StatusUnauthenticated},
		"unknown bearer":  {options{driver.OptionAuthorizationHeader: "Bearer sk_live_AAAAAAAA_" + strings.Repeat("0", 43)}, adbc.StatusUnauthenticated},
		"unknown project": {options{driver.OptionRPCCallHeaderPrefix + "x-api-key": key, driver.OptionRPCCallHeaderPrefix + "x-project": "none"}, adbc.StatusNotFound},
	} {
		cn, err := open(a.ctx, c.o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		_, err = query(a.ctx, cn, `SELECT * FROM "Thing"`)
		if err := all(refused(name, err, c.want, ""), cn.Close()); err != nil {
			return err
		}
	}
	_, err := open(a.ctx, options{adbc.OptionKeyUsername: "anybody", adbc.OptionKeyPassword: "rubbish"})
	return refused("a wrong password", err, adbc.StatusUnauthenticated, "")
}

func (a *asker) unknown() error {
	for text, c := range map[string]struct {
		want adbc.Status
		says string
	}{
		`SELECT * FROM "Nobody"`:                   {adbc.StatusNotFound, "Nobody"},
		`SELECT * FROM "none"."Thing"`:             {adbc.StatusNotFound, "none"},
		`SELECT "nothing" FROM "Thing"`:            {adbc.StatusInvalidArgument, "nothing"},
		`SELECT "secret" FROM "Thing"`:             {adbc.StatusInvalidArgument, "secret"},
		`SELEC`:                                    {adbc.StatusInvalidArgument, "SELEC"},
		`SELECT CAST("i" AS char) FROM "Thing"`:    {adbc.StatusInvalidArgument, "CAST"},
		`SELECT "id" FROM "Thing" WHERE "i" = 'x'`: {adbc.StatusInvalidArgument, ""},
	} {
		_, err := a.query(text)
		if err := refused(text, err, c.want, c.says); err != nil {
			return err
		}
		var e adbc.Error
		if errors.As(err, &e); len(e.Details) == 0 {
			return fmt.Errorf("%s: the error has no details", text)
		}
		st, err := a.prepared(text, true)
		if err := all(refused("prepared "+text, err, c.want, c.says), st.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) transactions() error {
	err := a.cn.(adbc.PostInitOptions).SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueDisabled)
	return all(refused("autocommit off", err, adbc.StatusNotImplemented, "transaction"),
		refused("commit", a.cn.Commit(a.ctx), adbc.StatusInvalidState, ""), refused("rollback", a.cn.Rollback(a.ctx), adbc.StatusInvalidState, ""),
		a.cn.(adbc.PostInitOptions).SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueEnabled))
}

func (a *asker) updates() error {
	for _, text := range []string{`DELETE FROM "Thing"`, `UPDATE "Thing" SET "i" = 1`, `INSERT INTO "Thing" ("id") VALUES ('x')`, `CREATE TABLE x (y int)`} {
		st, err := a.prepared(text, false)
		if err != nil {
			return err
		}
		_, err = st.ExecuteUpdate(a.ctx)
		_, _, asked := st.ExecuteQuery(a.ctx)
		if err := all(refused(text, err, adbc.StatusInvalidArgument, "only reads"), refused("as a query "+text, asked, adbc.StatusInvalidArgument, ""), st.Close()); err != nil {
			return err
		}
	}
	return a.table("Thing") // all of it is still there
}

func (a *asker) ingest() error {
	b, err := values([]arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}}, `[{"id":"ingested"}]`)
	if err != nil {
		return err
	}
	for _, mode := range []string{adbc.OptionValueIngestModeAppend, adbc.OptionValueIngestModeCreate, adbc.OptionValueIngestModeReplace} {
		st, err := a.cn.NewStatement()
		if err != nil {
			return err
		}
		if err := all(st.SetOption(adbc.OptionKeyIngestTargetTable, "Thing"), st.SetOption(adbc.OptionKeyIngestMode, mode), st.Bind(a.ctx, b)); err != nil {
			return err
		}
		_, err = st.ExecuteUpdate(a.ctx)
		if err := all(refused(mode, err, adbc.StatusInvalidArgument, "DoPut"), st.Close()); err != nil {
			return err
		}
	}
	return nil
}

// left reads the first batch of a result that does not fit in what a connection
// holds, and lets it go, and then cancels one.
func (a *asker) left() error {
	st, err := a.prepared(`SELECT * FROM "Owner"`, false)
	if err != nil {
		return err
	}
	defer st.Close()
	for range 20 {
		r, _, err := st.ExecuteQuery(a.ctx)
		if err != nil {
			return err
		}
		if !r.Next() {
			return fmt.Errorf("there is no batch: %w", r.Err())
		}
		r.Release()
	}
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	r, _, err := st.ExecuteQuery(ctx)
	if err != nil {
		return err
	}
	defer r.Release()
	r.Next()
	cancel()
	for r.Next() {
	}
	_, still := a.query(`SELECT 1 AS "one"`)
	return all(refused("cancelled", r.Err(), adbc.StatusCancelled, ""), still)
}
