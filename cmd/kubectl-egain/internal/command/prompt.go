package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
)

// prompter asks questions, a line each, which any terminal can show. It asks on standard error, so that standard output holds
// nothing but the result.
type prompter struct {
	env *environment
	in  *bufio.Reader
}

func newPrompter(env *environment) *prompter { return &prompter{env: env, in: bufio.NewReader(env.In)} }

// choice is one of several answers.
type choice struct{ name, meaning string }

// line reads one line, without the spaces around it. It ends with the context, which a read does not.
func (p *prompter) line(ctx context.Context) (string, error) {
	return p.read(ctx, func() (string, error) { return p.in.ReadString('\n') })
}

// Keys of a terminal that does not interpret them.
const (
	keyInterrupt = 0x03
	keyEnd       = 0x04
	keyBackspace = 0x08
	keyDelete    = 0x7f
)

// pasted asks for one line of any length. A terminal cuts off what it passes on line by line, on Linux at 4,095 bytes and on macOS at
// 1,024, so that it is asked for single keys, which then do not show.
func (p *prompter) pasted(ctx context.Context, question string) (string, error) {
	file, isFile := p.env.In.(*os.File)
	if !isFile || !isTerminal(file) {
		p.env.notef("%s: ", question)
		return p.line(ctx)
	}
	was, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(file.Fd()), was) //nolint:errcheck // nothing could be done about it
	p.env.notef("%s (input is hidden): ", question)
	return p.read(ctx, p.keys)
}

// keys reads up to the end of a line.
func (p *prompter) keys() (string, error) {
	var line []byte
	for {
		key, err := p.in.ReadByte()
		switch {
		case err != nil:
			return string(line), err
		case key == '\r' || key == '\n':
			return string(line), nil
		case key == keyInterrupt:
			return "", context.Canceled
		case key == keyEnd:
			return string(line), io.EOF
		case key == keyBackspace || key == keyDelete:
			line = line[:max(0, len(line)-1)]
		default:
			line = append(line, key)
		}
	}
}

// read reads an answer, without the spaces around it.
func (p *prompter) read(ctx context.Context, from func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := from()
		answered <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		p.env.notef("\n")
		return "", ctx.Err()
	case a := <-answered:
		text := strings.TrimSpace(a.text)
		if errors.Is(a.err, io.EOF) && text == "" {
			p.env.notef("\n")
			return "", advise(errors.New("the input ended before every question was answered"), "answer at a terminal, or pass flags")
		}
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", a.err
		}
		return text, nil
	}
}

// ask asks until accept, which also keeps the answer, has nothing to object. An empty answer stands for the default.
func (p *prompter) ask(ctx context.Context, question, byDefault string, accept func(answer string) error) error {
	if byDefault != "" {
		question += " [" + byDefault + "]"
	}
	for {
		p.env.notef("%s: ", p.env.screen.style.Paint(view.Bold, question))
		answer, err := p.line(ctx)
		if err != nil {
			return err
		}
		if answer == "" {
			answer = byDefault
		}
		objection := accept(answer)
		if objection == nil {
			return nil
		}
		if errors.Is(objection, context.Canceled) {
			return objection
		}
		p.env.notef("  %s\n", view.OneLine(objection.Error()))
	}
}

// choose asks for one of several answers, by its number or its name, and returns its index. The first is the default.
func (p *prompter) choose(ctx context.Context, question string, choices []choice) (int, error) {
	p.env.notef("%s\n", p.env.screen.style.Paint(view.Bold, question))
	table := view.Table{}
	for i, c := range choices {
		table.Rows = append(table.Rows, []view.Cell{view.Text(fmt.Sprintf("  %d", i+1)), view.Text(c.name), {Text: c.meaning, Shade: view.Dim}})
	}
	for _, line := range p.env.screen.style.Lines(table, 0) {
		p.env.notef("%s\n", line)
	}
	chosen := 0
	err := p.ask(ctx, "Choice", "1", func(answer string) error {
		for i, c := range choices {
			if answer == strconv.Itoa(i+1) || strings.EqualFold(answer, c.name) {
				chosen = i
				return nil
			}
		}
		return fmt.Errorf("answer with a number from 1 to %d", len(choices))
	})
	return chosen, err
}

// confirm asks a question that is answered with yes or no. The default is no.
func (p *prompter) confirm(ctx context.Context, question string) (bool, error) {
	agreed := false
	err := p.ask(ctx, question+" (y/N)", "", func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			agreed = true
		case "n", "no", "":
		default:
			return errors.New("answer with y or n")
		}
		return nil
	})
	return agreed, err
}
