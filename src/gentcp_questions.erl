%% @doc Questions about sockets that callers ask the router, because it alone knows: who owns one, which
%% there are. Who passes a socket to another owner, or watches it, asks for that in the same way.
%% @private
-module(gentcp_questions).

-export([answer/2]).

-export_type([question/0]).

-include("gentcp_router.hrl").

-type question() ::
        {owner | info, gentcp_proto:id()}
      | {transfer, gentcp_proto:id(), From :: pid(), To :: pid()}
      | {commit, gentcp_proto:id(), To :: pid()}
      | {abort, gentcp_proto:id()}
      | {monitor, gentcp_proto:id(), pid(), reference()}
      | {cancel_monitor, reference()}
      | sockets
      | kin
      | recall
      | info.

%% @doc Answers a question.
-spec answer(question(), #state{}) -> {Answer :: term(), #state{}}.
answer({owner, Id}, State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{owner = Owner, gone = no} -> {{ok, Owner}, State};
        _ -> {gone, State}
    end;
answer({info, Id}, State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{owner = Owner, gone = no} = Socket ->
            {{ok, Owner, erts_debug:flat_size(Socket) * erlang:system_info(wordsize)}, State};
        _ ->
            {gone, State}
    end;
answer({transfer, Id, From, To}, State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{gone = {gone, _}} -> {gone, State};
        #socket{owner = To} -> {is_owner, State};
        #socket{owner = From} = Socket ->
            %% What is on loan is for the new owner.
            gentcp_ahead:is_open(State#state.loans, Socket#socket.slot)
                andalso gentcp_sockets:ask(Id, none, State),
            {ok, gentcp_sockets:update(Socket#socket{held = []}, State)};
        #socket{} -> {not_owner, State};
        none -> {gone, State}
    end;
answer({commit, Id, To}, State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{monitor = Old} = Socket ->
            true = erlang:demonitor(Old, [flush]),
            Monitor = gentcp_sockets:monitor_owner(Id, To),
            Socket1 = Socket#socket{owner = To, monitor = Monitor},
            State1 = gentcp_sockets:report_kin(Socket1, gentcp_sockets:update(Socket1, State)),
            {ok, end_transfer(gentcp_sockets:socket(Id, State1), State1)};
        none ->
            {gone, State}
    end;
answer({abort, Id}, State) ->
    case gentcp_sockets:socket(Id, State) of
        none -> {gone, State};
        Socket -> {ok, end_transfer(Socket, State)}
    end;
answer({monitor, Id, Pid, Ref}, #state{registry = Registry} = State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{gone = no} = Socket ->
            Monitor = erlang:monitor(process, Pid, [{tag, {watcher, Ref}}]),
            {Socket1, Registry1} =
                gentcp_registry:add_watcher(Ref, Pid, Monitor, Socket, Registry),
            {ok, gentcp_sockets:keep(Socket1, State#state{registry = Registry1})};
        _ ->
            {gone, State}
    end;
answer({cancel_monitor, Ref}, #state{registry = Registry} = State) ->
    case gentcp_registry:remove_watcher(Ref, Registry) of
        {Socket, Monitor, Registry1} ->
            true = erlang:demonitor(Monitor, [flush]),
            {true, gentcp_sockets:keep(Socket, State#state{registry = Registry1})};
        error ->
            {false, State}
    end;
answer(sockets, #state{registry = Registry} = State) ->
    {[S || #socket{term = S, gone = no} <- gentcp_registry:sockets(Registry)], State};
answer(kin, #state{registry = Registry} = State) ->
    {ok, lists:foldl(fun gentcp_sockets:report_kin/2, State, gentcp_registry:sockets(Registry))};
answer(recall, #state{registry = Registry, loans = Loans} = State) ->
    _ = [gentcp_sockets:ask(Id, none, State)
         || #socket{id = Id, slot = Slot} <- gentcp_registry:sockets(Registry),
            gentcp_ahead:is_open(Loans, Slot)],
    {ok, State};
answer(info, #state{port = Port, program = Program, registry = Registry} = State) ->
    {#{port => Port, os_pid => gentcp_program:os_pid(Program),
       sockets => gentcp_registry:size(Registry),
       received => octets(Port, input), sent => octets(Port, output)}, State}.

octets(Port, Direction) ->
    case erlang:port_info(Port, Direction) of
        {_, Octets} -> Octets;
        undefined -> 0
    end.

end_transfer(Socket, State) ->
    Socket1 = gentcp_delivery:release(Socket),
    State1 = gentcp_sockets:keep(Socket1, State),
    case Socket1 of
        #socket{gone = no} -> State1;
        #socket{gone = {gone, Reason}} -> gentcp_sockets:remove(Socket1, Reason, State1)
    end.
