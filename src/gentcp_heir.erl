%% @doc Does what is left to do when a router has died: reports it to the owners of its sockets, and
%% sees that the port program is gone.
%%
%% A router that is killed reports nothing to anybody. So it keeps a table of its sockets beside its
%% own state, written to when a socket opens, closes, or passes to another owner, and never for
%% a packet. The table comes to this process, which does nothing else, with the death of the
%% router, however that happened. A router that ends in good order has reported to the owners
%% itself, and leaves an empty table.
%% @private
-module(gentcp_heir).

%% For the router.
-export([start/3, table/2, leave_to/3, keep/2, forget/2]).

%% For everybody.
-export([owner/2]).

-include("gentcp_socket.hrl").

%% @doc Starts the heir of the calling process. `Keys' are those of the router's persistent terms.
-spec start([term()], port(), gentcp_program:program()) -> pid().
start(Keys, Port, Program) ->
    Router = self(),
    spawn(fun() -> init(Router, Keys, Port, Program) end).

%% @doc A table of sockets, of the calling process.
-spec table(pid(), gentcp_credit:array()) -> ets:table().
table(Heir, Credit) ->
    ets:new(?MODULE, [set, protected, {keypos, #socket.id}, {read_concurrency, true},
                       {heir, Heir, Credit}]).

%% @doc Leaves a table to another heir, as when the first one was killed.
-spec leave_to(ets:table(), pid(), gentcp_credit:array()) -> ok.
leave_to(Table, Heir, Credit) ->
    true = ets:setopts(Table, {heir, Heir, Credit}),
    ok.

%% @doc Notes what the heir has to know of a socket.
-spec keep(ets:table(), #socket{}) -> ok.
keep(Table, Socket) ->
    true = ets:insert(Table, Socket#socket{held = none}),
    ok.

-spec forget(ets:table(), gentcp_proto:id()) -> ok.
forget(Table, Id) ->
    true = ets:delete(Table, Id),
    ok.

%% @doc Who owns a socket; `none' if it is not open.
-spec owner(ets:table(), gentcp_proto:id()) -> pid() | none.
owner(Table, Id) ->
    try ets:lookup_element(Table, Id, #socket.owner)
    catch error:badarg -> none
    end.

init(Router, Keys, Port, Program) ->
    Monitor = erlang:monitor(process, Router),
    receive
        {'DOWN', Monitor, process, Router, Reason} ->
            %% The table has come before.
            receive
                {'ETS-TRANSFER', Table, Router, Credit} ->
                    lists:foreach(fun persistent_term:erase/1, Keys),
                    report(ets:tab2list(Table), Credit)
            after 0 ->
                ok
            end,
            true = try port_close(Port) catch error:badarg -> true end,
            %% A program that has answered a goodbye goes by itself.
            Reason =:= {shutdown, goodbye} orelse gentcp_program:see_off(Program, 0)
    end.

report(Sockets, Credit) ->
    lists:foreach(fun(#socket{id = Id, slot = Slot} = Socket) ->
        Activity = gentcp_credit:activity(Credit, Slot, Id),
        gentcp_credit:close(Credit, Slot),
        gentcp_delivery:failed(Socket, Activity)
    end, lists:keysort(#socket.id, Sockets)).
