package oauth

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
	switch a {
	case ActorCustomer, ActorAnonymousCustomer, ActorOnBehalfOfCustomer:
		return ActorCustomer
	default:
		return ActorUser
	}
}

// derivedFrom are the actors whose token URL leads to that of an actor that the documents list no entry for, the likeliest
// first.
func (a Actor) derivedFrom() []Actor {
	switch a {
	case ActorClient:
		return []Actor{ActorUser, ActorCustomer}
	case ActorAnonymousCustomer, ActorOnBehalfOfCustomer:
		return []Actor{ActorCustomer, ActorUser}
	case ActorOnBehalfOfUser:
		return []Actor{ActorUser, ActorCustomer}
	default:
		return nil
	}
}
