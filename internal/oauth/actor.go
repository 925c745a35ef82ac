package oauth

import (
	"slices"
	"strings"
)

// Actor is who a token speaks for. eGain lists endpoints and scope prefixes per actor.
//
// The values are part of what identifies a token request, so they never change.
type Actor string

// The actors of eGain's metadata documents and API descriptions.
const (
	// ActorClient is the client application itself.
	ActorClient Actor = "client"
	// ActorUser is a logged-in agent, ActorCustomer a logged-in person who is no agent.
	ActorUser     Actor = "user"
	ActorCustomer Actor = "customer"
	// ActorAnonymousCustomer is a customer who is not logged in.
	ActorAnonymousCustomer Actor = "anonymousCustomer"
	// ActorOnBehalfOfUser and ActorOnBehalfOfCustomer are client applications that act for a user or a customer.
	ActorOnBehalfOfUser     Actor = "onBehalfOfUser"
	ActorOnBehalfOfCustomer Actor = "onBehalfOfCustomer"
)

// Name is the actor's name in the API.
func (a Actor) Name() string {
	if a == "" {
		return ""
	}
	return strings.ToUpper(string(a[:1])) + string(a[1:])
}

// ActorOf is the actor whose endpoints a flow uses.
func ActorOf(flow Flow, s Subject) Actor {
	switch {
	case flow == AnonymousCustomer:
		return ActorAnonymousCustomer
	case flow == OnBehalfOf && s.Email != "":
		return ActorOnBehalfOfCustomer
	case flow == OnBehalfOf:
		return ActorOnBehalfOfUser
	case flow == AuthorizationCode && s.Actor == ActorCustomer:
		return ActorCustomer
	case flow == TokenExchange, flow == AuthorizationCode:
		return ActorUser
	default:
		return ActorClient
	}
}

// person is the user or customer that an actor is, or acts for: User for a client application.
func (a Actor) person() Actor {
	if slices.Contains([]Actor{ActorCustomer, ActorAnonymousCustomer, ActorOnBehalfOfCustomer}, a) {
		return ActorCustomer
	}
	return ActorUser
}

// hasFlowOfItsOwn reports whether an actor has one flow only, which its entry in a document is about.
func (a Actor) hasFlowOfItsOwn() bool {
	return slices.Contains([]Actor{ActorAnonymousCustomer, ActorOnBehalfOfUser, ActorOnBehalfOfCustomer}, a)
}

// derivedFrom are the actors whose token URL leads to that of an actor that the documents list no entry for, the likeliest
// first. Users and customers are not among them: their endpoints are listed, or they have none.
func (a Actor) derivedFrom() []Actor {
	switch {
	case a == ActorClient || a == ActorOnBehalfOfUser:
		return []Actor{ActorUser, ActorCustomer}
	case a.hasFlowOfItsOwn():
		return []Actor{ActorCustomer, ActorUser}
	default:
		return nil
	}
}
