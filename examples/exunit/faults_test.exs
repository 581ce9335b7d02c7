# elixir -pa _build/default/lib/gentcp/ebin examples/exunit/faults_test.exs

:ok = :gentcp.install()
ExUnit.start()

defmodule FaultCase do
  @moduledoc """
  `use FaultCase` and a tag put the sockets of one test under faults:

      @tag faults: :slow_3g
      @tag faults: [recv: {:error, :econnreset}]

  The rule is for the test process and for what descends from it, so tests with
  `async: true` do not meet each other's faults. What `setup_all` has started is
  no descendant of a test: select it by its address.
  """
  use ExUnit.CaseTemplate

  setup context do
    faults = Map.get(context, :faults, [])
    {:ok, rule} = :gentcp_fault.add({:ancestor, self()}, faults)

    on_exit(fn ->
      :gentcp_fault.remove(rule)
    end)

    :ok
  end
end

defmodule Echo do
  @moduledoc "A server that answers what it gets, and a client for it."

  def serve do
    {:ok, l} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(l)

    task =
      Task.async(fn ->
        with {:ok, s} <- :gen_tcp.accept(l, 5000) do
          echo(s)
        end
      end)

    {task, port}
  end

  defp echo(s) do
    case :gen_tcp.recv(s, 0, 5000) do
      {:ok, data} ->
        :gen_tcp.send(s, data)
        echo(s)

      {:error, _} ->
        :gen_tcp.close(s)
    end
  end

  def ask(port, question, timeout \\ 5000) do
    with {:ok, s} <- :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false], timeout),
         :ok <- :gen_tcp.send(s, question) do
      answer = :gen_tcp.recv(s, byte_size(question), timeout)
      :gen_tcp.close(s)
      answer
    end
  end
end

defmodule FaultsTest do
  use FaultCase, async: true

  test "with no fault" do
    {_task, port} = Echo.serve()
    assert {:ok, "hello"} = Echo.ask(port, "hello")
  end

  @tag faults: :byte_by_byte
  test "octet by octet the answer is the same" do
    {_task, port} = Echo.serve()
    assert {:ok, "hello"} = Echo.ask(port, "hello")
  end

  @tag faults: [connect: {:error, :econnrefused}]
  test "nobody is there" do
    {_task, port} = Echo.serve()
    assert {:error, :econnrefused} = Echo.ask(port, "hello")
  end

  test "only within a function" do
    {_task, port} = Echo.serve()

    :gentcp_fault.with({:peer, {:port, port}}, {:connect, :never}, fn ->
      assert {:error, :timeout} = Echo.ask(port, "hello", 50)
    end)

    assert {:ok, "hello"} = Echo.ask(port, "hello")
  end
end

defmodule UndisturbedTest do
  use FaultCase, async: true

  test "beside the others" do
    {_task, port} = Echo.serve()
    assert {:ok, "hello"} = Echo.ask(port, "hello")
  end
end
