%% A socket as the router knows it, from the reply that opened it until it is gone.
-record(socket, {
    id :: gentcp_proto:id(),
    term :: gentcp_port:socket(),
    kind :: listener | connection,
    owner :: pid(),
    monitor :: reference(),
    slot :: gentcp_credit:slot(),
    %% Messages that wait, latest first, while the socket is passed on.
    held = none :: none | [term()],
    %% Why it ended in the meantime.
    gone = no :: no | {gone, term()},
    %% The owner and its ancestors, then earlier owners and theirs, as far as rules for faults
    %% have asked for them.
    kin = [] :: [pid()],
    %% Who called inet:monitor/1.
    watchers = [] :: [{reference(), pid()}]
}).

%% A listen, accept or connect on its way.
-record(opening, {
    caller :: pid(),
    %% Of a caller that still waits.
    alias :: reference() | withdrawn,
    monitor :: reference(),
    command :: gentcp_proto:command(),
    settings :: gentcp_credit:settings()
}).
