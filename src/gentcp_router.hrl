-include("gentcp_socket.hrl").

%% A router: gentcp_port has its loop, and the modules that it calls do one thing with it each.
-record(state, {
    parent :: pid(),
    name :: atom(),
    %% Set by sys:trace and its kin.
    debug = [] :: [sys:dbg_opt()],
    port :: port(),
    program :: gentcp_program:program(),
    pen :: gentcp_pen:pen(),
    credit :: gentcp_credit:array(),
    loans :: gentcp_ahead:loans(),
    registry :: gentcp_registry:registry(),
    %% What the heir has to know of the sockets, and the heir.
    legacy :: ets:table(),
    heir :: {pid(), reference()},
    %% The window of a socket comes right before the reply that opens it.
    early = none :: none | {gentcp_proto:id(), non_neg_integer()},
    %% Calls of recv that their callers have withdrawn, until the port program knows.
    withdrawn = #{} :: #{reference() => []},
    %% Octets of frames handed on since the last credit.
    owed = 0 :: non_neg_integer()
}).
