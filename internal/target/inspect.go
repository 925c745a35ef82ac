package target

import (
	"slices"
	"text/template/parse"
)

// weigher is a function that charges a value and returns it. A template cannot name it, since it is no function when it is parsed.
const weigher = "_weigh"

// builtins are the functions of text/template that go through what they are given. They cannot be wrapped, so their arguments go
// through the weigher. The others (and, or, not) only ask whether a value is empty.
var builtins = []string{"eq", "ge", "gt", "index", "le", "len", "lt", "ne", "slice"}

// parts are the nodes of a template: those that run once, and those that run for each scope.
type parts struct{ once, perScope int }

// inspection refuses what could make a template run for long: variables, which let a value grow with every line; templates that call
// templates; loops over anything but the scopes; loops in loops. It refuses fields that do not exist too. It counts the rest, and
// has the arguments of builtins weighed.
type inspection struct {
	key    string
	inLoop bool
	dot    dot
	parts  parts
}

func (i *inspection) count(n int) {
	if i.inLoop {
		i.parts.perScope += n
	} else {
		i.parts.once += n
	}
}

func (i *inspection) node(node parse.Node) error {
	i.count(1)
	switch n := node.(type) {
	case *parse.ListNode:
		return i.list(n)
	case *parse.ActionNode:
		return i.pipe(n.Pipe)
	case *parse.IfNode:
		return i.branch(&n.BranchNode, i.dot)
	case *parse.WithNode:
		return i.branch(&n.BranchNode, dotOther)
	case *parse.RangeNode:
		return i.loop(n)
	case *parse.TemplateNode:
		return templateFault(i.key, "must not call a template")
	default:
		return nil
	}
}

func (i *inspection) list(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := i.node(n); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspection) loop(n *parse.RangeNode) error {
	if i.inLoop || n.Pipe.String() != ".Scopes" {
		return templateFault(i.key, "may range over .Scopes only, without variables and not within another range")
	}
	i.inLoop = true
	defer func() { i.inLoop = false }()
	return i.branch(&n.BranchNode, dotScope)
}

// branch inspects a branch, in the first list of which . is something else.
func (i *inspection) branch(b *parse.BranchNode, inList dot) error {
	if err := i.pipe(b.Pipe); err != nil {
		return err
	}
	outside := i.dot
	i.dot = inList
	err := i.list(b.List)
	i.dot = outside
	if err != nil {
		return err
	}
	return i.list(b.ElseList)
}

func (i *inspection) pipe(pipe *parse.PipeNode) error {
	if len(pipe.Decl) > 0 {
		return templateFault(i.key, "must not declare variables")
	}
	commands := make([]*parse.CommandNode, 0, len(pipe.Cmds))
	for at, command := range pipe.Cmds {
		weighed := isBuiltin(command)
		if weighed && at > 0 {
			commands = append(commands, weigh(command.Pos))
		}
		if err := i.command(command, weighed); err != nil {
			return err
		}
		commands = append(commands, command)
	}
	pipe.Cmds = commands
	i.count(1)
	return nil
}

func (i *inspection) command(command *parse.CommandNode, weighed bool) error {
	i.count(1)
	for at, arg := range command.Args {
		if err := i.argument(arg); err != nil {
			return err
		}
		if weighed && at > 0 {
			command.Args[at] = &parse.PipeNode{
				NodeType: parse.NodePipe, Pos: arg.Position(), Cmds: []*parse.CommandNode{weigh(arg.Position(), arg)},
			}
		}
	}
	return nil
}

func (i *inspection) argument(arg parse.Node) error {
	i.count(1)
	if chain, ok := arg.(*parse.ChainNode); ok {
		i.count(len(chain.Field))
		arg = chain.Node
	}
	switch n := arg.(type) {
	case *parse.PipeNode:
		return i.pipe(n)
	case *parse.FieldNode:
		i.count(len(n.Ident))
		return i.field(n)
	case *parse.VariableNode: // $, since none is declared
		i.count(len(n.Ident))
		if len(n.Ident) > 1 {
			return i.fieldOfAll(n.Ident[1:])
		}
	}
	return nil
}

// isBuiltin reports whether a command calls one of the builtins.
func isBuiltin(command *parse.CommandNode) bool {
	name, ok := command.Args[0].(*parse.IdentifierNode)
	return ok && slices.Contains(builtins, name.Ident)
}

// weigh is a call of the weigher, which charges the last argument or the value of the command before it in a pipeline.
func weigh(pos parse.Pos, args ...parse.Node) *parse.CommandNode {
	name := parse.NewIdentifier(weigher).SetPos(pos)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: append([]parse.Node{name}, args...)}
}
