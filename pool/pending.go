package pool

// A taskList is the queue of tasks that no worker has: first in, first out, and
// a task that comes back from a dead worker goes to the front.
type taskList struct {
	first, last *task
	n           int
}

func (l *taskList) pushBack(t *task) {
	t.prev, t.next = l.last, nil
	if l.last != nil {
		l.last.next = t
	} else {
		l.first = t
	}
	l.last = t
	l.n++
}

func (l *taskList) pushFront(t *task) {
	t.prev, t.next = nil, l.first
	if l.first != nil {
		l.first.prev = t
	} else {
		l.last = t
	}
	l.first = t
	l.n++
}

func (l *taskList) popFront() *task {
	t := l.first
	l.remove(t)
	return t
}

func (l *taskList) remove(t *task) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.last = t.prev
	}
	t.prev, t.next = nil, nil
	l.n--
}
