%% @doc What the router does with a socket from its opening to its end, whoever asks for it.
%% @private
-module(gentcp_sockets).

-export([socket/2, update/2, keep/2, monitor_owner/2, report_kin/2, ask/3, credit/4]).

%% Ending.
-export([owner_exit/4, gone/3, remove/3]).

-include("gentcp_router.hrl").

-spec socket(gentcp_proto:id(), #state{}) -> #socket{} | none.
socket(Id, #state{registry = Registry}) ->
    gentcp_registry:socket(Id, Registry).

%% @doc What has become of a socket, where the heir need not know it.
-spec update(#socket{}, #state{}) -> #state{}.
update(Socket, #state{registry = Registry} = State) ->
    State#state{registry = gentcp_registry:keep(Socket, Registry)}.

%% @doc The same, where it is something that the heir has to know.
-spec keep(#socket{}, #state{}) -> #state{}.
keep(Socket, #state{legacy = Legacy} = State) ->
    gentcp_heir:keep(Legacy, Socket),
    update(Socket, State).

%% @doc Has {@link owner_exit/4} called when the owner of a socket exits.
-spec monitor_owner(gentcp_proto:id(), pid()) -> reference().
monitor_owner(Id, Owner) ->
    erlang:monitor(process, Owner, [{tag, {owner, Id}}]).

%% @doc Reports whose a socket is, if some rule asks for it. Those that it came from before are
%% remembered: a socket that is handed on to a process of some library still comes from them.
-spec report_kin(#socket{}, #state{}) -> #state{}.
report_kin(#socket{id = Id, owner = Owner, kin = Before} = Socket, #state{pen = Pen} = State) ->
    case gentcp_kin:is_needed() of
        true ->
            Kin = gentcp_kin:of_socket(Owner, Before),
            gentcp_pen:cast(Pen, {kin, Id, Kin}),
            update(Socket#socket{kin = Kin}, State);
        false ->
            State
    end.

%% @doc Casts a command that asks for the input of a socket, or only the end of its loan.
-spec ask(gentcp_proto:id(), gentcp_proto:command() | none, #state{}) -> ok.
ask(Id, Command, #state{loans = Loans, pen = Pen} = State) ->
    Question = case socket(Id, State) of
                   #socket{slot = Slot} -> gentcp_ahead:ask(Loans, Slot, Id);
                   none -> bare
               end,
    gentcp_pen:cast(Pen, gentcp_proto:settled(Question, Id, Command)).

%% @doc Credit has come for what a socket has sent, with a new window. The first window comes right
%% before the reply that opens the socket.
-spec credit(gentcp_proto:id(), non_neg_integer(), non_neg_integer(), #state{}) -> #state{}.
credit(Id, Octets, Window, #state{credit = Credit} = State) ->
    case socket(Id, State) of
        #socket{slot = Slot} ->
            gentcp_credit:returned(Credit, Slot, Octets),
            gentcp_credit:window(Credit, Slot, Id, Window),
            State;
        none ->
            State#state{early = {Id, Window}}
    end.

%%
%% Ending
%%

%% @doc A process has exited that owned a socket when it was monitored.
-spec owner_exit(gentcp_proto:id(), reference(), term(), #state{}) -> #state{}.
owner_exit(Id, Monitor, Reason, #state{pen = Pen} = State) ->
    case socket(Id, State) of
        #socket{monitor = Monitor, gone = Gone} = Socket ->
            %% Not called: what is queued is flushed with nobody waiting.
            _ = Gone =:= no andalso gentcp_pen:cast(Pen, {close, Id}),
            remove(Socket, Reason, State);
        _ ->
            State
    end.

%% @doc The port program has reported the end of a socket.
-spec gone(gentcp_proto:id(), term(), #state{}) -> #state{}.
gone(Id, Reason, #state{credit = Credit} = State) ->
    case socket(Id, State) of
        #socket{held = none} = Socket ->
            remove(Socket, Reason, State);
        #socket{slot = Slot} = Socket ->
            %% It has still to be reported to its new owner.
            gentcp_credit:window(Credit, Slot, Id, 0),
            update(Socket#socket{gone = {gone, Reason}}, State);
        none ->
            State
    end.

%% @doc Forgets a socket, and reports its end to those who watch it.
-spec remove(#socket{}, term(), #state{}) -> #state{}.
remove(#socket{id = Id, slot = Slot, monitor = Monitor} = Socket, Reason, State) ->
    gentcp_credit:close(State#state.credit, Slot),
    gentcp_ahead:end_socket(State#state.loans, Id),
    true = erlang:demonitor(Monitor, [flush]),
    {Monitors, Registry} = gentcp_registry:remove(Socket, State#state.registry),
    lists:foreach(fun(M) -> erlang:demonitor(M, [flush]) end, Monitors),
    gentcp_delivery:down(Socket, Reason),
    gentcp_heir:forget(State#state.legacy, Id),
    State#state{registry = Registry}.
